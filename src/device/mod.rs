//! Where the rows of k-means and PCA are multiplied: in our own blocks on the CPU, or as candle tensors on a CUDA or
//! Metal device.

mod rows;

pub(crate) use rows::DeviceRows;

/// What the user asks for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DeviceChoice {
    /// An accelerator, if this build and machine have one and the work is large enough to pay, else the CPU.
    #[default]
    Auto,
    /// The CPU.
    Cpu,
    /// The first NVIDIA GPU.
    Cuda,
    /// The first Apple GPU.
    Metal,
}

/// An opened device.
#[derive(Clone, Debug, Default)]
pub enum Device {
    /// Our blocks on the CPU: the same bits at any thread count.
    #[default]
    Cpu,
    /// A candle device.
    Candle(candle_core::Device),
    /// The same, for work that is large enough to pay; the CPU for the rest.
    Auto(candle_core::Device),
}

/// Floating point operations from which [`Device::Auto`] leaves the CPU: what a few cores do in half a second, an
/// estimate of what it costs to start a device and to send it the data.
const MIN_FLOPS: f64 = 5e10;

/// Why a device can't be used.
#[derive(Debug, thiserror::Error)]
pub enum DeviceError {
    /// The build lacks the feature.
    #[error(
        "this alike was built without {0}: rebuild with `cargo build --release --features {0}`, or use --device cpu"
    )]
    NotBuilt(&'static str),
    /// The device failed.
    #[error("the device failed: {0}; --device cpu works everywhere")]
    Failed(#[from] candle_core::Error),
}

impl PartialEq for Device {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Cpu, Self::Cpu) => true,
            (Self::Candle(a), Self::Candle(b)) | (Self::Auto(a), Self::Auto(b)) => a.location() == b.location(),
            _ => false,
        }
    }
}

impl std::fmt::Display for Device {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        use candle_core::DeviceLocation::{Cpu, Cuda, Metal};
        match self {
            Self::Cpu => return f.write_str("the CPU"),
            Self::Candle(device) | Self::Auto(device) => match device.location() {
                Cpu => f.write_str("candle's CPU device")?,
                Cuda { gpu_id } => write!(f, "CUDA device {gpu_id}")?,
                Metal { gpu_id } => write!(f, "Metal device {gpu_id}")?,
            },
        }
        if matches!(self, Self::Auto(_)) { f.write_str(" where the work pays, else on the CPU") } else { Ok(()) }
    }
}

impl Device {
    /// Opens the device asked for.
    ///
    /// # Errors
    /// If it was named and isn't there; `Auto` falls back to the CPU.
    ///
    /// ```
    /// use alike::device::{Device, DeviceChoice};
    /// assert!(matches!(Device::open(DeviceChoice::Cpu)?, Device::Cpu));
    /// # Ok::<(), alike::device::DeviceError>(())
    /// ```
    pub fn open(choice: DeviceChoice) -> Result<Self, DeviceError> {
        use candle_core::utils::{cuda_is_available, metal_is_available};
        match choice {
            DeviceChoice::Cpu => Ok(Self::Cpu),
            DeviceChoice::Cuda if !cuda_is_available() => Err(DeviceError::NotBuilt("cuda")),
            DeviceChoice::Cuda => Ok(Self::Candle(candle_core::Device::new_cuda(0)?)),
            DeviceChoice::Metal if !metal_is_available() => Err(DeviceError::NotBuilt("metal")),
            DeviceChoice::Metal => Ok(Self::Candle(candle_core::Device::new_metal(0)?)),
            DeviceChoice::Auto => {
                let found = [DeviceChoice::Cuda, DeviceChoice::Metal].map(Self::open).into_iter().find_map(Result::ok);
                Ok(found.map_or(Self::Cpu, |device| match device {
                    Self::Candle(device) => Self::Auto(device),
                    other => other,
                }))
            }
        }
    }

    /// The candle device for networks, which pay wherever there is one.
    pub(crate) fn candle(&self) -> candle_core::Device {
        match self {
            Self::Cpu => candle_core::Device::Cpu,
            Self::Candle(device) | Self::Auto(device) => device.clone(),
        }
    }

    /// The candle device for work of about `flops` floating point operations, all told; `None` is the CPU.
    pub(crate) fn for_work(&self, flops: f64) -> Option<&candle_core::Device> {
        match self {
            Self::Cpu => None,
            Self::Auto(_) if flops < MIN_FLOPS => None,
            Self::Candle(device) | Self::Auto(device) => Some(device),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_work_is_the_cpu_s_unless_a_device_was_named() {
        let device = candle_core::Device::Cpu;
        assert!(Device::Auto(device.clone()).for_work(MIN_FLOPS / 2.0).is_none());
        assert!(Device::Auto(device.clone()).for_work(MIN_FLOPS).is_some());
        assert!(Device::Candle(device).for_work(0.0).is_some());
        assert!(Device::Cpu.for_work(f64::INFINITY).is_none());
    }
}
