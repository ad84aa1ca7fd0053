//! Text with places to fill: `${name}`. Nothing else is special, so JSON and TOML stand in it as they are.

use std::collections::BTreeMap;

/// What fills the places.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fillings(BTreeMap<String, String>);

/// A place that nothing fills.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("nothing is called `${{{0}}}`")]
pub struct UnknownFilling(pub String);

impl Fillings {
    /// The same, with one more.
    #[must_use]
    pub fn with(mut self, name: impl Into<String>, text: impl Into<String>) -> Self {
        self.0.insert(name.into(), text.into());
        self
    }

    /// `text` with every place filled. What is put in is not looked at again.
    ///
    /// # Errors
    /// If a place has a name that is not here.
    pub fn fill(&self, text: &str) -> Result<String, UnknownFilling> {
        let mut filled = String::with_capacity(text.len());
        let mut rest = text;
        while let Some((before, after)) = rest.split_once("${") {
            let (name, after) = after.split_once('}').ok_or_else(|| UnknownFilling(after.to_owned()))?;
            filled.push_str(before);
            filled.push_str(self.0.get(name).ok_or_else(|| UnknownFilling(name.to_owned()))?);
            rest = after;
        }
        filled.push_str(rest);
        Ok(filled)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fills_once_and_refuses_what_it_does_not_know() {
        let fillings = Fillings::default().with("a", "${b}").with("b", "x");
        assert_eq!(fillings.fill("{\"k\": \"${a}\", $5 }").unwrap(), "{\"k\": \"${b}\", $5 }");
        assert_eq!(fillings.fill("${c}"), Err(UnknownFilling("c".to_owned())));
        assert!(fillings.fill("${a").is_err());
    }
}
