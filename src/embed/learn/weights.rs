//! Arrays that an extractor learned: known by their hash where a spec is written, carried beside it in a model file.

use std::collections::BTreeMap;
use std::sync::Arc;

use candle_core::{DType, Device, Tensor};
use candle_nn::VarBuilder;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::embed::EmbedError;

/// Named f32 arrays, or, as read from a spec alone, their hash. Equal where the hash is.
#[derive(Clone, Debug)]
pub struct LearnedWeights {
    hash: String,
    tensors: Option<Arc<BTreeMap<String, Tensor>>>,
}

impl LearnedWeights {
    /// These arrays.
    ///
    /// # Errors
    /// If they are not f32 or can't be read from their device.
    pub fn new(tensors: BTreeMap<String, Tensor>) -> candle_core::Result<Self> {
        let mut hasher = blake3::Hasher::new_derive_key("alike 1 learned weights");
        for (name, tensor) in &tensors {
            hasher.update(format!("{name} {:?}\n", tensor.dims()).as_bytes());
            for value in tensor.flatten_all()?.to_vec1::<f32>()? {
                hasher.update(&value.to_le_bytes());
            }
        }
        Ok(Self { hash: hasher.finalize().to_hex().to_string(), tensors: Some(Arc::new(tensors)) })
    }

    /// 64 hexadecimal digits over names, shapes and values.
    pub fn hash(&self) -> &str {
        &self.hash
    }

    /// The arrays that are here: names, shapes, values.
    pub fn arrays(&self) -> impl Iterator<Item = (&str, &[usize], Vec<f32>)> {
        let values = |tensor: &Tensor| tensor.flatten_all()?.to_vec1::<f32>();
        let array = move |(name, tensor)| {
            (String::as_str(name), Tensor::dims(tensor), values(tensor).expect("f32, as checked"))
        };
        self.tensors.iter().flat_map(|tensors| tensors.iter()).map(array)
    }

    /// Puts the arrays (names, shapes, values) to a hash that was read without them.
    ///
    /// # Errors
    /// If they hash to something else.
    pub fn attach(&mut self, arrays: impl IntoIterator<Item = (String, Vec<usize>, Vec<f32>)>) -> Result<(), String> {
        let tensor = |(name, shape, values)| Ok((name, Tensor::from_vec::<_, f32>(values, shape, &Device::Cpu)?));
        let tensors = arrays.into_iter().map(tensor).collect::<candle_core::Result<_>>();
        let found = tensors.and_then(Self::new).map_err(|e| e.to_string())?;
        if found.hash != self.hash {
            return Err(format!("what the extractor learned has the hash {}, not {}", found.hash, self.hash));
        }
        *self = found;
        Ok(())
    }

    /// The arrays by name, for a network on the CPU.
    pub(super) fn builder(&self) -> Result<VarBuilder<'static>, EmbedError> {
        let tensors = self.tensors.as_ref().ok_or_else(|| {
            EmbedError::Failed(format!("the weights {} are not here: load the model that holds them", self.hash))
        })?;
        let tensors = tensors.iter().map(|(name, tensor)| (name.clone(), tensor.clone())).collect();
        Ok(VarBuilder::from_tensors(tensors, DType::F32, &Device::Cpu))
    }
}

impl PartialEq for LearnedWeights {
    fn eq(&self, other: &Self) -> bool {
        self.hash == other.hash
    }
}

impl Serialize for LearnedWeights {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.hash.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for LearnedWeights {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Self { hash: String::deserialize(deserializer)?, tensors: None })
    }
}
