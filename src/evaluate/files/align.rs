//! Brings a file's values to the rows they are for.

use std::collections::HashMap;

use super::{Column, LabelFileError};

/// A file's values in the order of our rows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Aligned<T> {
    /// One a row; `None` where the file has none.
    pub values: Vec<Option<T>>,
    /// Rows whose id the file doesn't have.
    pub missing: usize,
    /// Ids of the file that no row has.
    pub unused: usize,
}

/// The values of `column` for the rows named by `ids` (all different): by id if the column has ids, else by row.
///
/// ```
/// use alike::evaluate::files::{Column, align};
/// let column = Column { ids: Some(vec!["b".into(), "c".into()]), values: vec![Some("dog"), None] };
/// let aligned = align(&["a".into(), "b".into()], &column)?;
/// assert_eq!((aligned.values, aligned.missing, aligned.unused), (vec![None, Some("dog")], 1, 1));
/// # Ok::<(), alike::evaluate::files::LabelFileError>(())
/// ```
///
/// # Errors
/// If the column has no ids and another length, or no id in common with ours.
pub fn align<T: Clone>(ids: &[String], column: &Column<Option<T>>) -> Result<Aligned<T>, LabelFileError> {
    let Some(theirs) = &column.ids else {
        if column.values.len() != ids.len() {
            return Err(LabelFileError::Rows { expected: ids.len(), found: column.values.len() });
        }
        return Ok(Aligned { values: column.values.clone(), missing: 0, unused: 0 });
    };
    let row_of: HashMap<&str, usize> = theirs.iter().enumerate().map(|(row, id)| (id.as_str(), row)).collect();
    let rows: Vec<Option<usize>> = ids.iter().map(|id| row_of.get(id.as_str()).copied()).collect();
    let common = rows.iter().flatten().count();
    if let (0, Some(ours), Some(theirs)) = (common, ids.first(), theirs.first()) {
        return Err(LabelFileError::NoCommonId { ours: ours.clone(), theirs: theirs.clone() });
    }
    Ok(Aligned {
        values: rows.iter().map(|row| row.and_then(|row| column.values[row].clone())).collect(),
        missing: ids.len() - common,
        unused: theirs.len() - common,
    })
}
