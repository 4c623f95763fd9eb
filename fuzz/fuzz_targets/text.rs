//! Any text as pattern, labels, aggregate, transform, x-axis, cursor or run filter: it is refused, or it parses and its
//! text parses to the same value.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tidalite::{Aggregate, Cursor, Labels, RunFilter, Transform, XAxis};
use tidalite_query::{NameMatcher, Pattern};

fuzz_target!(|text: &str| {
    if let Ok(labels) = Labels::parse(text) {
        assert_eq!(Labels::parse(labels.as_str()).expect("canonical text is labels"), labels);
    }
    if let Ok(matcher) = NameMatcher::new(&[text]) {
        let _ = matcher.is_match("train/loss");
        let _ = matcher.is_match(text);
    }
    if let Ok(cursor) = text.parse::<Cursor>() {
        assert_eq!(cursor.to_string().parse::<Cursor>().expect("a cursor's text is a cursor"), cursor);
    }
    if let Ok(filter) = RunFilter::parse(text) {
        let written = filter.to_string();
        assert_eq!(RunFilter::parse(&written).expect("a filter's text is a filter").to_string(), written);
    }
    if let Ok(matcher) = NameMatcher::resolve(&[Pattern::regex(text)], |_| Ok(false)) {
        let _ = matcher.is_match("train/loss");
    }
    let named = NameMatcher::resolve(&[Pattern::from(text)], |_| Ok(true)).expect("a text may be any name that exists");
    assert!(named.is_match(text) && !named.is_match(&format!("{text}0")));
    if let Ok(aggregate) = text.parse::<Aggregate>() {
        let same = aggregate.to_string().parse::<Aggregate>();
        assert_eq!(same.expect("an aggregate's word is an aggregate"), aggregate);
    }
    if let Ok(transform) = text.parse::<Transform>() {
        let same = transform.to_string().parse::<Transform>();
        assert_eq!(same.expect("a transform's word is a transform"), transform);
    }
    if let Ok(axis) = text.parse::<XAxis>() {
        assert_eq!(axis.to_string().parse::<XAxis>().expect("an axis' word is an axis"), axis);
    }
});
