//! What the map can be coloured by beside clusters and classes: numbers on a scale, or texts as categories.

use std::cmp::Reverse;

use serde_json::{Value, json};

use super::link::shown;
use crate::collection::Truth;

/// A column of values by which the map can be coloured.
#[derive(Clone, Debug, PartialEq)]
pub struct Overlay {
    /// What it is called; any text.
    pub name: String,
    /// A value for each member.
    pub values: OverlayValues,
}

/// The values of an [`Overlay`].
#[derive(Clone, Debug, PartialEq)]
pub enum OverlayValues {
    /// Shown on a scale from the least to the most; one that is not finite counts as none.
    Numbers(Vec<Option<f64>>),
    /// Shown in a colour each, as far as there are colours: the most frequent ones.
    Texts(Truth),
}

impl Overlay {
    /// The column `name` of a table by its cells: numbers if all that aren't blank are, else texts. A blank cell is no value.
    ///
    /// ```
    /// use alike::report::{Overlay, OverlayValues::{Numbers, Texts}};
    /// let values = |cells: [&str; 3]| Overlay::from_cells("x".into(), cells.map(|cell| Some(cell.to_owned()))).values;
    /// assert_eq!(values(["2", " ", "-1e3"]), Numbers(vec![Some(2.0), None, Some(-1000.0)]));
    /// assert!(matches!(values(["2", "", "two"]), Texts(_)));
    /// ```
    pub fn from_cells(name: String, cells: impl IntoIterator<Item = Option<String>>) -> Self {
        let cells: Vec<Option<String>> =
            cells.into_iter().map(|cell| cell.filter(|cell| !cell.trim().is_empty())).collect();
        let number = |cell: &Option<String>| cell.as_ref().map(|cell| cell.trim().parse()).transpose();
        let numbers: Result<Vec<Option<f64>>, _> = cells.iter().map(number).collect();
        let values = match numbers {
            Ok(numbers) if cells.iter().any(Option::is_some) => OverlayValues::Numbers(numbers),
            _ => OverlayValues::Texts(Truth::from_names(cells)),
        };
        Self { name, values }
    }

    /// Number of values, those that are none counted.
    pub(super) fn len(&self) -> usize {
        match &self.values {
            OverlayValues::Numbers(numbers) => numbers.len(),
            OverlayValues::Texts(texts) => texts.classes.len(),
        }
    }

    /// The values of these rows for the map's script: numbers, or places among the names, of which the frequent come first.
    pub(super) fn values_of(&self, rows: impl Iterator<Item = usize>) -> Value {
        match &self.values {
            OverlayValues::Numbers(numbers) => {
                json!({ "values": rows.map(|row| numbers[row].filter(|v| v.is_finite())).collect::<Vec<_>>() })
            }
            OverlayValues::Texts(Truth { names, classes }) => {
                let mut sizes = vec![0_usize; names.len()];
                classes.iter().flatten().for_each(|&class| sizes[class] += 1);
                let mut order: Vec<usize> = (0..names.len()).collect();
                order.sort_by_key(|&class| Reverse(sizes[class]));
                let mut place = vec![0; names.len()];
                order.iter().enumerate().for_each(|(at, &class)| place[class] = at);
                json!({
                    "names": order.iter().map(|&class| shown(&names[class])).collect::<Vec<_>>(),
                    "values": rows.map(|row| classes[row].map(|class| place[class])).collect::<Vec<_>>(),
                })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn overlay(cells: &[&str]) -> Overlay {
        Overlay::from_cells("x".into(), cells.iter().map(|cell| Some((*cell).to_owned())))
    }

    #[test]
    fn frequent_texts_come_first_and_equally_frequent_ones_in_order() {
        let texts = overlay(&["10", "b", "2", "", "b", "\0"]);
        let expected = json!({"names": ["b", "2", "10", "␀"], "values": [1, null, 0, 2]});
        assert_eq!(texts.values_of([2, 3, 4, 0].into_iter()), expected);
    }

    #[test]
    fn numbers_are_numbers_until_a_cell_is_none() {
        let numbers = overlay(&["1.5", "", "inf", "NaN", " 7 "]);
        assert_eq!(numbers.values_of(0..5), json!({"values": [1.5, null, null, null, 7.0]}));
        assert!(matches!(overlay(&["1.5", "1,5"]).values, OverlayValues::Texts(_)));
        assert!(matches!(overlay(&["", " "]).values, OverlayValues::Texts(Truth { names, .. }) if names.is_empty()));
        assert_eq!(Overlay::from_cells(String::new(), [None, Some("3".into())]).len(), 2);
    }
}
