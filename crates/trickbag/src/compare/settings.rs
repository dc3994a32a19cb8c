//! A recipe as a list of settings, each with the key that `--set` knows it by.

use serde_json::{Map, Value};

/// The settings of a recipe that was written as JSON.
pub(super) fn settings(recipe: &Value) -> Vec<(String, String)> {
    let mut settings = vec![];
    for (field, value) in recipe.as_object().into_iter().flatten() {
        match (field.as_str(), value) {
            ("tricks", Value::Array(tricks)) => settings.extend(tricks.iter().map(trick)),
            _ => add(field.clone(), value, &mut settings),
        }
    }
    settings
}

/// A trick's key is its name, since the order of tricks has no meaning.
fn trick(trick: &Value) -> (String, String) {
    let (name, content) = variant(trick).unwrap_or(("?", trick));
    let content = fields(content);
    (format!("tricks[{name}]"), if content.is_empty() { "on".to_owned() } else { content })
}

/// A setting for each number and text in `value`, and one for the name of a choice.
fn add(key: String, value: &Value, settings: &mut Vec<(String, String)>) {
    let (name, content) = match variant(value) {
        Some((name, content)) => (Some(name), content),
        None => (None, value),
    };
    match (name, content) {
        (name, Value::Object(content)) => {
            settings.extend(name.map(|name| (key.clone(), name.to_owned())));
            for (field, value) in content {
                add(format!("{key}.{field}"), value, settings);
            }
        }
        (None, Value::Null) => settings.push((key, "-".to_owned())),
        _ => settings.push((key, text(value))),
    }
}

/// The name of a choice and what it holds: `{"Sgd": {"lr": 0.1}}` or `"Mnist10k"`.
fn variant(value: &Value) -> Option<(&str, &Value)> {
    match value {
        Value::String(name) => Some((name, &Value::Null)),
        Value::Object(object) if object.len() == 1 => {
            let (name, content) = object.iter().next()?;
            name.starts_with(char::is_uppercase).then_some((name, content))
        }
        _ => None,
    }
}

/// A value in one line, as RON writes it.
fn text(value: &Value) -> String {
    if let Value::Array(entries) = value {
        return format!("[{}]", joined(entries.iter().map(text)));
    }
    match variant(value) {
        Some((name, content)) => match fields(content) {
            content if content.is_empty() => name.to_owned(),
            content => format!("{name}({content})"),
        },
        None => fields(value),
    }
}

/// What stands between the parentheses.
fn fields(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::Object(object) if variant(value).is_none() => named(object),
        Value::Object(_) | Value::Array(_) => text(value),
        Value::String(name) => name.clone(),
        number => number.to_string(),
    }
}

fn named(object: &Map<String, Value>) -> String {
    joined(object.iter().map(|(field, value)| format!("{field}: {}", text(value))))
}

fn joined(texts: impl Iterator<Item = String>) -> String {
    texts.collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use trickbag_recipe::Document;

    use super::*;

    #[test]
    fn every_value_has_its_key() {
        let text = r#"Recipe(
            name: "abc", seed: 7, data: ImageFolder(path: "images", size: 32),
            augment: [PadCrop(4), HorizontalFlip],
            model: ResNet(depth: 8, stem: Cifar), batch_size: 100, epochs: 2,
            optimizer: Sgd(lr: 0.1),
            tricks: [
                ZeroGamma, LabelSmoothing(0.1), StepDecay(every: Epochs(30), factor: 0.1),
                GradientClipping(Norm(1.0)),
            ],
        )"#;
        let document = Document::new("abc.ron", text).unwrap();
        let settings = settings(&serde_json::to_value(document.recipe()).unwrap());
        let lines: Vec<String> =
            settings.iter().map(|(key, value)| format!("{key} = {value}")).collect();
        insta::assert_snapshot!(lines.join("\n"));
    }
}
