//! A whole number that lies in its range, proven where it is made: at compile time for a literal, by a clear error for input.

use serde::{Deserialize, Deserializer, Serialize, de::Error as _};

/// A whole number from `MIN` to `MAX`, both included.
///
/// ```
/// use stack::cfn::Bounded;
/// assert_eq!(Bounded::<1, 900>::of::<60>().number(), 60);
/// ```
///
/// ```compile_fail,E0080
/// use stack::cfn::Bounded;
/// let timeout = Bounded::<1, 900>::of::<901>();
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(transparent)]
pub struct Bounded<const MIN: u32, const MAX: u32>(u32);

/// A number of the input that its range does not hold.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{number} is not within {min} to {max}")]
pub struct OutOfRange {
    number: u32,
    min: u32,
    max: u32,
}

impl<const MIN: u32, const MAX: u32> Bounded<MIN, MAX> {
    /// A literal: one outside of the range does not compile.
    pub const fn of<const NUMBER: u32>() -> Self {
        const { assert!(MIN <= NUMBER && NUMBER <= MAX, "the number is outside of its range") };
        Self(NUMBER)
    }

    /// A number that only the run knows.
    ///
    /// # Errors
    /// When the range does not hold it.
    pub fn new(number: u32) -> Result<Self, OutOfRange> {
        if (MIN..=MAX).contains(&number) { Ok(Self(number)) } else { Err(OutOfRange { number, min: MIN, max: MAX }) }
    }

    /// The number, or the end of the range that is nearest.
    pub fn nearest(number: u32) -> Self {
        Self(number.clamp(MIN, MAX))
    }

    pub const fn number(self) -> u32 {
        self.0
    }
}

impl<'de, const MIN: u32, const MAX: u32> Deserialize<'de> for Bounded<MIN, MAX> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::new(u32::deserialize(deserializer)?).map_err(D::Error::custom)
    }
}

#[cfg(test)]
impl<const MIN: u32, const MAX: u32> schemars::JsonSchema for Bounded<MIN, MAX> {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        format!("From{MIN}To{MAX}").into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({"type": "integer", "minimum": MIN, "maximum": MAX})
    }
}

#[cfg(test)]
mod tests {
    use super::Bounded;

    #[test]
    fn a_number_of_the_input_outside_its_range_names_the_range() {
        let error = Bounded::<128, 10_240>::new(100).unwrap_err();
        assert_eq!(error.to_string(), "100 is not within 128 to 10240");
    }

    #[test]
    fn both_ends_belong_to_the_range() {
        assert_eq!(Bounded::<1, 3>::new(1).map(Bounded::number), Ok(1));
        assert_eq!(Bounded::<1, 3>::new(3).map(Bounded::number), Ok(3));
    }
}
