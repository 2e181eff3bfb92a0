//! What `--model` takes: extractors by name, each maybe with a file of weights and a weight of its own.

use crate::embed::{CombinedSpec, HubModel, LearnMethod, joined_name};
use std::path::PathBuf;

/// What turns pixels into features.
#[derive(Clone, Debug, PartialEq)]
pub enum ModelChoice {
    /// Chosen by a look at the collection.
    Auto,
    /// These, each with its weight, in this order.
    Given(Vec<(ExtractorName, f32)>),
}

/// The extractors by name.
#[derive(Clone, Debug, PartialEq)]
pub enum ExtractorName {
    /// The pixels themselves.
    Pixels,
    /// Histograms of oriented gradients, and of colour.
    Gradients,
    /// The encoder that is part of the program.
    Builtin,
    /// An encoder trained on the collection.
    Learned(LearnMethod),
    /// A published network, maybe with weights from a file.
    Published(&'static HubModel, Option<PathBuf>),
}

impl ModelChoice {
    /// From what was typed.
    pub fn parse(text: &str) -> Result<Self, String> {
        if text == "auto" {
            return Ok(Self::Auto);
        }
        let parts = split(text).iter().map(|part| parse_part(part)).collect::<Result<Vec<_>, _>>()?;
        for (at, (found, _)) in parts.iter().enumerate() {
            if parts[..at].iter().any(|(earlier, _)| earlier.name() == found.name()) {
                let name = found.name();
                return Err(format!("{name} is there twice: give it once, with a weight such as {name}:2"));
            }
        }
        match &parts[..] {
            [(_, Some(_))] => Err("a weight means something beside another extractor only".into()),
            _ => Ok(Self::Given(parts.into_iter().map(|(name, weight)| (name, weight.unwrap_or(1.0))).collect())),
        }
    }
}

impl std::fmt::Display for ModelChoice {
    /// As it is typed.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Auto => f.write_str("auto"),
            Self::Given(parts) => {
                f.write_str(&joined_name(parts.iter().map(|(extractor, weight)| (extractor.to_string(), *weight))))
            }
        }
    }
}

impl ExtractorName {
    /// Its name alone.
    pub fn name(&self) -> &str {
        match self {
            Self::Pixels => "pixels",
            Self::Gradients => "gradients",
            Self::Builtin => "builtin",
            Self::Learned(method) => method.name(),
            Self::Published(model, _) => &model.name,
        }
    }

    /// The names of all.
    fn all() -> impl Iterator<Item = Self> {
        let published = HubModel::all().iter().map(|model| Self::Published(model, None));
        let own = [Self::Pixels, Self::Gradients, Self::Builtin];
        own.into_iter().chain(LearnMethod::ALL.map(Self::Learned)).chain(published)
    }
}

impl std::fmt::Display for ExtractorName {
    /// As it is typed.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())?;
        match self {
            Self::Published(_, Some(file)) => write!(f, "={}", file.display()),
            _ => Ok(()),
        }
    }
}

/// The parts between the signs +, but for those in the name of a file.
fn split(text: &str) -> Vec<String> {
    let mut parts: Vec<String> = Vec::new();
    for part in text.split('+') {
        let begins = ExtractorName::all().any(|known| {
            part.strip_prefix(known.name()).is_some_and(|rest| rest.is_empty() || rest.starts_with(['=', ':']))
        });
        match parts.last_mut() {
            Some(last) if last.contains('=') && !begins => *last += &format!("+{part}"),
            _ => parts.push(part.into()),
        }
    }
    parts
}

fn parse_part(text: &str) -> Result<(ExtractorName, Option<f32>), String> {
    let weighted = match text.contains('=') {
        // A file's name may have colons: what follows the last is a weight only if it is a number.
        true => text.rsplit_once(':').filter(|(_, weight)| weight.parse::<f32>().is_ok()),
        false => text.split_once(':'),
    };
    let (rest, weight) = weighted.map_or((text, None), |(rest, weight)| (rest, Some(weight)));
    let (name, file) = rest.split_once('=').map_or((rest, None), |(name, file)| (name, Some(file)));
    let Some(mut found) = ExtractorName::all().find(|known| known.name() == name) else {
        let known: Vec<String> = ExtractorName::all().map(|known| known.name().to_owned()).collect();
        return Err(format!("no extractor {name:?}: give {}, several joined by +, or auto alone", known.join(", ")));
    };
    match (&mut found, file) {
        (_, None) => {}
        (ExtractorName::Published(_, place), Some(file)) if !file.is_empty() => *place = Some(file.into()),
        _ => return Err(format!("{text}: only a published model takes weights from a file, such as resnet18=FILE")),
    }
    let Some(weight) = weight else { return Ok((found, None)) };
    let parsed = weight.parse().ok().filter(|weight| CombinedSpec::WEIGHTS.contains(weight));
    let parsed = parsed.ok_or_else(|| format!("{text}: give a weight from 0.001 to 1000, such as {name}:2"))?;
    Ok((found, Some(parsed)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn given(text: &str) -> Vec<(String, f32)> {
        match ModelChoice::parse(text).unwrap() {
            ModelChoice::Given(parts) => parts.into_iter().map(|(name, weight)| (name.to_string(), weight)).collect(),
            ModelChoice::Auto => panic!("{text}"),
        }
    }

    #[test]
    fn extractors_are_told_from_files_and_weights() {
        let one = |name: &str, weight| (name.to_owned(), weight);
        assert_eq!(given("dinov2-small"), [one("dinov2-small", 1.0)]);
        assert_eq!(given("learn+dense-autoencoder:2"), [one("learn", 1.0), one("dense-autoencoder", 2.0)]);
        assert_eq!(given("pixels+clip-b32:0.5"), [one("pixels", 1.0), one("clip-b32", 0.5)]);
        assert_eq!(given("resnet18=/a/b.safetensors"), [one("resnet18=/a/b.safetensors", 1.0)]);
        assert_eq!(given("resnet18=a+b:2+gradients"), [one("resnet18=a+b", 2.0), one("gradients", 1.0)]);
        assert_eq!(given("vgg16=C:\\w+pixels:3"), [one("vgg16=C:\\w", 1.0), one("pixels", 3.0)]);
        for text in ["resnet18=a+b:2+gradients", "pixels+clip-b32:0.5"] {
            assert_eq!(ModelChoice::parse(text).unwrap().to_string(), text);
        }
        for wrong in [
            "",
            "nothing",
            "pixels=a",
            "resnet18=",
            "pixels:2",
            "pixels+pixels",
            "resnet18=a+resnet18=b",
            "pixels+gradients:x",
            "learn=a",
        ] {
            assert!(ModelChoice::parse(wrong).is_err(), "{wrong}");
        }
    }
}
