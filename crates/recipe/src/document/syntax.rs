//! Reads a recipe from RON, and turns what RON's parser complains about into a problem with its
//! place.

use std::ops::Range;

use ron::error::{Error as Ron, Position, SpannedError};

use super::lexer::{Kind, Token, tokens};
use crate::problem::Problem;
use crate::recipe::{Recipe, options};

/// A problem and the bytes of the text that it is about.
#[derive(Debug)]
pub(crate) struct Complaint {
    pub(crate) problem: Box<Problem>,
    pub(crate) at: Range<usize>,
    pub(crate) also: Option<Range<usize>>,
}

/// Reads a recipe.
pub(crate) fn parse(text: &str) -> Result<Recipe, Complaint> {
    let spelled = Spelled::new(text);
    options().from_str(&spelled.text).map_err(|error| {
        let Complaint { problem, at, also } = Reader::new(&spelled.text).complaint(error);
        let also = also.map(|range| spelled.original(range));
        Complaint { problem, at: spelled.original(at), also }
    })
}

/// A recipe's text in which a bare trick has parentheses.
///
/// `CosineAnnealing` in `tricks` means `CosineAnnealing()`, the trick with its defaults. Serde has
/// no name for "either a bare variant or one with fields", so the parentheses are put in before RON
/// reads the text.
struct Spelled {
    text: String,
    /// Where parentheses were put in, as bytes of the original.
    added: Vec<usize>,
}

const PARENTHESES: &str = "()";

impl Spelled {
    fn new(text: &str) -> Self {
        let added = bare_tricks(text, &tokens(text));
        let mut spelled = text.to_owned();
        for at in added.iter().rev() {
            spelled.insert_str(*at, PARENTHESES);
        }
        Self { text: spelled, added }
    }

    fn original(&self, range: Range<usize>) -> Range<usize> {
        self.original_offset(range.start)..self.original_offset(range.end)
    }

    fn original_offset(&self, mut offset: usize) -> usize {
        for at in &self.added {
            if offset > *at {
                offset = (offset - PARENTHESES.len()).max(*at);
            }
        }
        offset
    }
}

/// The ends of the names that stand alone in the list `tricks` of the outermost struct.
fn bare_tricks(text: &str, tokens: &[Token]) -> Vec<usize> {
    let is =
        |at: usize, wanted: &str| tokens.get(at).is_some_and(|t| &text[t.span.clone()] == wanted);
    let mut ends = Vec::new();
    let (mut depth, mut inside) = (0, false);
    for (i, token) in tokens.iter().enumerate() {
        match token.kind {
            Kind::Mark('(' | '[' | '{') => {
                inside |= depth == 1 && i >= 2 && is(i - 2, "tricks") && is(i - 1, ":");
                depth += 1;
            }
            Kind::Mark(')' | ']' | '}') => {
                depth -= 1;
                inside &= depth > 1;
            }
            Kind::Identifier if inside && depth == 2 && !is(i + 1, "(") => {
                ends.push(token.span.end)
            }
            _ => {}
        }
    }
    ends
}

/// Looks around the place of an error, token by token.
struct Reader<'a> {
    text: &'a str,
    tokens: Vec<Token>,
}

impl<'a> Reader<'a> {
    fn new(text: &'a str) -> Self {
        Self { text, tokens: tokens(text) }
    }

    fn complaint(&self, error: SpannedError) -> Complaint {
        let offset = offset(self.text, culprit(&error));
        let i = self.tokens.partition_point(|token| token.span.end <= offset);
        match error.code {
            Ron::NoSuchStructField { expected: legal, found, .. } => {
                self.about(i, Problem::UnknownField { owner: self.owner(i), found, legal })
            }
            Ron::NoSuchEnumVariant { expected: legal, found, outer } => {
                self.about(i, Problem::UnknownName { noun: noun(outer), found, legal })
            }
            Ron::MissingStructField { field, .. } => {
                let problem = Problem::MissingField { owner: self.owner(i), field };
                self.about(self.owner_at(i), problem)
            }
            Ron::DuplicateStructField { field, .. } => {
                let also = self.first_field(i);
                Complaint { also, ..self.about(i, Problem::DuplicateField { field }) }
            }
            Ron::ExpectedString => self.no_quotes(i),
            Ron::ExpectedIdentifier | Ron::SuggestRawIdentifier(_) => self.no_name(i),
            Ron::ExpectedDifferentStructName { expected, .. } => {
                self.about(i, Problem::WrongName { expected, found: self.found(i) })
            }
            Ron::ExpectedStructLike | Ron::ExpectedNamedStructLike(_) => self.no_parentheses(i),
            Ron::ExpectedComma | Ron::ExpectedStructLikeEnd | Ron::ExpectedArrayEnd => {
                self.no_comma(i, offset)
            }
            Ron::ExpectedMapColon => {
                let before = self.word(i.saturating_sub(1));
                self.about(i, self.mark(i, format!("`:` after `{before}`")))
            }
            Ron::TrailingCharacters => {
                self.about(i, self.mark(i, "nothing after the recipe".to_owned()))
            }
            Ron::Eof => self.not_closed(i),
            Ron::ExpectedStringEnd => self.about(i, Problem::Unclosed { what: "text" }),
            Ron::UnclosedBlockComment => self.unclosed_comment(offset),
            other => match wanted(&other) {
                Some(expected) => self.wrong(i, expected),
                None => self.about(i, Problem::Ron(other)),
            },
        }
    }

    fn about(&self, i: usize, problem: Problem) -> Complaint {
        Complaint { problem: Box::new(problem), at: self.span(i), also: None }
    }

    fn mark(&self, i: usize, expected: String) -> Problem {
        Problem::Mark { expected, found: self.found(i) }
    }

    /// The value at `i` has another type than `expected`.
    fn wrong(&self, i: usize, expected: &str) -> Complaint {
        let owner = self.needy(i);
        let problem =
            Problem::WrongValue { owner, expected: expected.to_owned(), found: self.found(i) };
        // In empty parentheses there is nothing to point at but the name before them.
        let empty = self.is(i, ")") && i >= 2 && self.is(i - 1, "(");
        self.about(if empty { i - 2 } else { i }, problem)
    }

    fn no_quotes(&self, i: usize) -> Complaint {
        match self.identifier(i) {
            Some(found) => {
                let problem = Problem::NoQuotes { owner: self.needy(i), found: found.to_owned() };
                self.about(i, problem)
            }
            None => self.wrong(i, "a text in double quotes"),
        }
    }

    /// A name belongs where something else stands: RON is asked which names are legal.
    fn no_name(&self, i: usize) -> Complaint {
        if matches!(self.kind(i), None | Some(Kind::Mark(')' | ']' | '}'))) {
            return self.not_closed(i);
        }
        let span = self.span(i);
        let probe = format!("{} _ {}", &self.text[..span.start], &self.text[span.end..]);
        let answer = options().from_str::<Recipe>(&probe).err().map(|error| error.code);
        match answer {
            Some(Ron::NoSuchEnumVariant { outer, .. })
                if outer.as_deref() == Some("Duration") && self.kind(i) == Some(Kind::Number) =>
            {
                let (owner, number) = (self.needy(i), self.word(i).to_owned());
                self.about(i, Problem::NoUnit { owner, number })
            }
            Some(Ron::NoSuchEnumVariant { expected, .. }) => {
                self.wrong(i, &format!("one of {}", expected.join(", ")))
            }
            Some(Ron::NoSuchStructField { expected, .. }) => {
                let expected = format!("fields with their names ({})", expected.join(", "));
                self.wrong(i, &expected)
            }
            _ => self.wrong(i, "a name"),
        }
    }

    fn no_parentheses(&self, i: usize) -> Complaint {
        match i.checked_sub(1).and_then(|before| self.identifier(before)) {
            Some(name) => self.about(i - 1, Problem::BareName { name: name.to_owned() }),
            None if i == 0 => {
                self.about(i, Problem::WrongName { expected: "Recipe", found: self.found(i) })
            }
            None => self.wrong(i, "fields in parentheses"),
        }
    }

    fn no_comma(&self, i: usize, offset: usize) -> Complaint {
        let before = i.saturating_sub(1);
        if self.kind(i) == Some(Kind::Number) && self.span(i).start < offset {
            return self.wrong(i, WHOLE_NUMBER);
        }
        match self.identifier(before) {
            _ if self.kind(i).is_none() => self.not_closed(i),
            Some(name) if self.is(i, "(") => {
                self.about(before, Problem::NoSettings { name: name.to_owned() })
            }
            _ => {
                let close = self.opener(i).map_or(")", |open| closing(self.word(open)));
                let expected = format!("`,` or `{close}` after `{}`", self.word(before));
                self.about(before, self.mark(i, expected))
            }
        }
    }

    /// The bracket around token `i` is not closed, or closed with another one.
    fn not_closed(&self, i: usize) -> Complaint {
        let open = self.opener(i);
        let (open_mark, close) =
            open.map_or(("(", ")"), |at| (self.word(at), closing(self.word(at))));
        let expected = format!("`{close}` for the `{open_mark}` that is open here");
        let complaint = self.about(i, self.mark(i, expected));
        Complaint { also: open.map(|at| self.span(at)), ..complaint }
    }

    /// RON gives a place inside the comment.
    fn unclosed_comment(&self, offset: usize) -> Complaint {
        let start = self.text[..offset].rfind("/*").unwrap_or(offset);
        let problem = Box::new(Problem::Unclosed { what: "comment" });
        Complaint { problem, at: start..offset, also: None }
    }

    /// The opening bracket around token `i`.
    fn opener(&self, i: usize) -> Option<usize> {
        let mut closed = 0;
        (0..i).rev().find(|&at| match self.kind(at) {
            Some(Kind::Mark(')' | ']' | '}')) => {
                closed += 1;
                false
            }
            Some(Kind::Mark('(' | '[' | '{')) if closed == 0 => true,
            Some(Kind::Mark('(' | '[' | '{')) => {
                closed -= 1;
                false
            }
            _ => false,
        })
    }

    /// The token that names the struct around token `i`: its own name, else the field that holds
    /// it.
    fn owner_at(&self, i: usize) -> usize {
        let open = self.opener(i).unwrap_or(0);
        match (open.checked_sub(1), open.checked_sub(2)) {
            (Some(before), _) if self.identifier(before).is_some() => before,
            (Some(before), Some(field)) if self.is(before, ":") => field,
            _ => open,
        }
    }

    fn owner(&self, i: usize) -> String {
        self.identifier(self.owner_at(i)).unwrap_or("Recipe").to_owned()
    }

    /// What needs the value at `i`: the field in front of it, or the name in front of its
    /// parenthesis.
    fn needy(&self, i: usize) -> Option<String> {
        let before =
            i.checked_sub(1).filter(|before| self.is(*before, ":") || self.is(*before, "("))?;
        self.identifier(before.checked_sub(1)?).map(str::to_owned)
    }

    /// The first field of the name of token `i` in the same struct.
    fn first_field(&self, i: usize) -> Option<Range<usize>> {
        let open = self.opener(i)?;
        (open..i)
            .find(|&at| {
                self.word(at) == self.word(i)
                    && self.is(at + 1, ":")
                    && self.opener(at) == Some(open)
            })
            .map(|at| self.span(at))
    }

    fn kind(&self, i: usize) -> Option<Kind> {
        self.tokens.get(i).map(|token| token.kind)
    }

    fn identifier(&self, i: usize) -> Option<&'a str> {
        (self.kind(i)? == Kind::Identifier).then(|| self.word(i))
    }

    fn is(&self, i: usize, text: &str) -> bool {
        self.word(i) == text
    }

    fn word(&self, i: usize) -> &'a str {
        &self.text[self.span(i)]
    }

    /// The place of token `i`; behind the last token, the end of the text.
    fn span(&self, i: usize) -> Range<usize> {
        let end = self.text.trim_end().len();
        self.tokens.get(i).map_or(end..end, |token| token.span.clone())
    }

    fn found(&self, i: usize) -> String {
        match self.word(i) {
            "" => "the end of the text".to_owned(),
            ")" if i >= 1 && self.is(i - 1, "(") => "nothing".to_owned(),
            word => format!("`{word}`"),
        }
    }
}

const WHOLE_NUMBER: &str = "a whole number, 0 or more";

/// What RON expected where it found a value of another type.
fn wanted(code: &Ron) -> Option<&'static str> {
    match code {
        Ron::ExpectedFloat => Some("a number"),
        Ron::ExpectedInteger | Ron::IntegerOutOfBounds | Ron::InvalidIntegerDigit { .. } => {
            Some(WHOLE_NUMBER)
        }
        Ron::ExpectedBoolean => Some("true or false"),
        Ron::ExpectedArray => Some("a list in square brackets"),
        _ => None,
    }
}

fn closing(open: &str) -> &'static str {
    match open {
        "[" => "]",
        "{" => "}",
        _ => ")",
    }
}

/// RON's span goes from where its parser last stood to where it gave up; the culprit is at one end.
fn culprit(error: &SpannedError) -> Position {
    match error.code {
        Ron::ExpectedComma | Ron::ExpectedStructLikeEnd | Ron::ExpectedArrayEnd | Ron::Eof => {
            error.span.end
        }
        _ => error.span.start,
    }
}

/// What the choices of a type are called in a recipe.
fn noun(type_name: Option<String>) -> String {
    let name = type_name.unwrap_or_default();
    match name.as_str() {
        "Trick" => "trick",
        "Source" => "data source",
        "Augment" => "augmentation",
        "Architecture" => "model",
        "Optimizer" => "optimizer",
        "Stem" => "stem",
        "Variant" => "variant",
        "Policy" => "number format",
        "Duration" => "unit",
        "Clip" => "limit",
        "Decay" => "kind of decay",
        "Shape" => "shape",
        _ => "name",
    }
    .to_owned()
}

/// The byte at a line and a column, both counted from 1 in characters.
fn offset(text: &str, Position { line, col }: Position) -> usize {
    let start: usize = text.split_inclusive('\n').take(line - 1).map(str::len).sum();
    let column = text[start..].char_indices().nth(col - 1);
    column.map_or(text.len(), |(at, _)| start + at)
}

#[cfg(test)]
mod tests {
    use super::*;

    const REST: &str = "seed: 1, data: Mnist10k, model: ResNet(depth: 8), batch_size: 2, epochs: 1,
        optimizer: Sgd(lr: 0.1))";

    fn check(text: &str, expected: &str, culprit: &str) {
        let Complaint { problem, at, .. } = parse(text).unwrap_err();
        assert_eq!((problem.to_string().as_str(), &text[at]), (expected, culprit), "{text}");
    }

    #[test]
    fn recipes_are_read_with_and_without_their_name() {
        for start in ["(", "Recipe(", "#![enable(implicit_some)]\n("] {
            assert!(parse(&format!("{start} name: \"a\", {REST}")).is_ok(), "{start}");
        }
    }

    #[test]
    fn bare_tricks_are_those_with_empty_parentheses() {
        let with = |tricks: &str| {
            parse(&format!("(name: \"tricks: [ZeroGamma]\", tricks: [{tricks}], {REST}"))
        };
        let bare = with("ZeroGamma, Warmup(steps: 1), CosineAnnealing /* , */, NoBiasDecay");
        let spelled = with("ZeroGamma(), Warmup(steps: 1), CosineAnnealing(), NoBiasDecay(),");
        assert_eq!(bare.unwrap(), spelled.unwrap());
    }

    #[test]
    fn complaints_point_at_the_culprit() {
        let cases = [
            ("", "expected `Recipe(...)`, found the end of the text", ""),
            ("[1]", "expected `Recipe(...)`, found `[`", "["),
            ("Recip()", "expected `Recipe(...)`, found `Recip`", "Recip"),
            (
                "(name: \"a\"",
                "expected `)` for the `(` that is open here, found the end of the text",
                "",
            ),
            (
                "(name: \"a\", tricks: [",
                "expected `]` for the `[` that is open here, found the end of the text",
                "",
            ),
            ("(name: \"a\" /* b", "this comment is never closed", "/*"),
            (
                "(tricks: [ZeroGamma, Warmup(steps: 1), ZeroGama])",
                "unknown trick `ZeroGama`; did you mean `ZeroGamma`?",
                "ZeroGama",
            ),
            (
                "(tricks: [ZeroGamma, LabelSmoothing])",
                "`LabelSmoothing` needs a number, found nothing",
                "LabelSmoothing",
            ),
            (
                "(tricks: [ZeroGamma, LabelSmoothing(a)])",
                "`LabelSmoothing` needs a number, found `a`",
                "a",
            ),
            (
                "(tricks: [Warmup((steps: 1))])",
                "`Warmup` needs fields with their names (epochs, steps, fraction, from), found `(`",
                "(",
            ),
            (
                "(tricks: [Precision(16)])",
                "`Precision` needs one of F32, Bf16, F16, found `16`",
                "16",
            ),
            (
                "(tricks: [StepDecay(every: Epoch(1))])",
                "unknown unit `Epoch`; did you mean `Epochs`?",
                "Epoch",
            ),
            (
                "(tricks: [StepDecay(every: Epochs)])",
                "`Epochs` needs a value in parentheses",
                "Epochs",
            ),
            (
                "(normalize: Normalise(mean: []))",
                "expected `Normalize(...)`, found `Normalise`",
                "Normalise",
            ),
            ("(normalize: 3)", "`normalize` needs fields in parentheses, found `3`", "3"),
            ("(normalize: (mean: [0.5]))", "`normalize` needs the field `std`", "normalize"),
            ("(epochs: 1e3)", "`epochs` needs a whole number, 0 or more, found `1e3`", "1e3"),
            (
                "(optimizer: Sgd(lr: 0,1))",
                "expected fields with their names (lr, momentum, nesterov, weight_decay, decay), found `1`",
                "1",
            ),
            (
                "(optimizer: Sgd(lr: 1, nesterov: yes))",
                "`nesterov` needs true or false, found `yes`",
                "yes",
            ),
            (
                "(optimizer: AdamW(lr: 1, betas: (0.9)))",
                "this is not RON: Expected a tuple of size 2 but found one element instead",
                ")",
            ),
            ("(größe: 1)", "`Recipe` has no field `größe`", "größe"),
        ];
        for (text, expected, culprit) in cases {
            check(text, expected, culprit);
        }
        let trailing = format!("(name: \"a\", {REST} x");
        check(&trailing, "expected nothing after the recipe, found `x`", "x");
    }
}
