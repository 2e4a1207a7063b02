//! What was wrong with a submitted form.

/// Messages about fields, in the order in which they were found. The field is named by the `id` of its control, which is
/// also where the error summary leads.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Errors(Vec<(String, String)>);

impl Errors {
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a message about a field.
    pub fn add(&mut self, field: impl Into<String>, message: impl Into<String>) {
        self.0.push((field.into(), message.into()));
    }

    /// The first message about a field.
    pub fn of(&self, field: &str) -> Option<&str> {
        self.iter()
            .find(|(id, _)| *id == field)
            .map(|(_, message)| message)
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Field and message, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0
            .iter()
            .map(|(field, message)| (field.as_str(), message.as_str()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_keep_their_order_and_the_first_stands_at_the_field() {
        let mut errors = Errors::new();
        assert!(errors.is_empty());
        errors.add("repeat", "Type the same password twice");
        errors.add("name", "Type your name");
        errors.add("name", "Use fewer than 100 characters");
        assert_eq!(errors.len(), 3);
        assert_eq!(errors.of("name"), Some("Type your name"));
        assert_eq!(errors.of("email"), None);
        assert_eq!(
            errors.iter().next(),
            Some(("repeat", "Type the same password twice"))
        );
    }
}
