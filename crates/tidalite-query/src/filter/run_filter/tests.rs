//! Filters: what parses, which runs they take, and which texts are refused at which column.

use super::{RunField, RunFilter};
use crate::filter::compare::Compare;
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use tidalite_model::{
    Assign, Labels, Param, Params, Parent, RunChange, RunEdit, RunInfo, RunRecord, RunStart, WriteOrder,
};

fn run(id: &str) -> RunInfo {
    let model = Param::Map(BTreeMap::from([("depth".to_string(), Param::Int(8))]));
    let params = Params::from([
        ("lr".to_string(), Param::Float(1e-3)),
        ("epochs".to_string(), Param::Int(10)),
        ("optimizer".to_string(), "adam".into()),
        ("learning rate".to_string(), Param::Float(f64::NAN)),
        ("model".to_string(), model),
        ("nothing".to_string(), Param::Null),
        ("amp".to_string(), true.into()),
    ]);
    let mut record = RunRecord::default();
    let parent = Assign::Set(Parent { run: "root".into(), step: None });
    let add_tags = BTreeSet::from(["baseline".to_string()]);
    let start = RunChange::Start(RunStart {
        time_us: 1_000_000,
        labels: Labels::parse("host=a").unwrap(),
        edit: RunEdit {
            add_tags,
            parent,
            name: Assign::Set("Baseline".into()),
            notes: Assign::Set("slow start".into()),
            group: Assign::Set("sweep".into()),
            ..RunEdit::params(params)
        },
        ..RunStart::default()
    });
    record.apply(WriteOrder::default(), &start);
    record.info(id, |_| true)
}

fn takes(text: &str) -> bool {
    RunFilter::parse(text).unwrap_or_else(|e| panic!("{text}: {e}")).matches(&run("resnet-42"))
}

#[test]
fn each_form_takes_its_runs() {
    for text in [
        "params.lr >= 1e-3",
        "params.lr<2",
        "params.epochs = 10",
        "params.epochs == 10.0",
        "params.epochs < 10.5",
        "params.optimizer in ('adam', \"sgd\")",
        "params.\"learning rate\" = nan",
        "params.model.depth = 8",
        "params.nothing = null",
        "params.amp = TRUE",
        "has params.model",
        "not has params.momentum",
        "tags has \"baseline\"",
        "id like \"resnet-*\"",
        "id = 'resnet-42' and status = 'running'",
        "status in (\"running\", \"lost\")",
        "started >= \"1970-01-01\" and started < 1000001",
        "not has ended",
        "name = 'Baseline' and group in ('sweep') and notes like '*start*'",
        "not has reason",
        "parent = \"root\" and labels.host like '?'",
        "NOT (params.lr > 1 OR tags has 'x') And id != 'x'",
        "params.lr > 1 or params.lr < 1 and id = 'resnet-42'",
        "params.optimizer != 3",
    ] {
        assert!(takes(text), "{text}");
    }
}

#[test]
fn an_absent_field_fails_every_comparison() {
    for compare in ["=", "!=", "<", "<=", ">", ">="] {
        assert!(!takes(&format!("params.momentum {compare} 1")), "{compare}");
        assert!(!takes(&format!("params.model.depth.x {compare} 1")), "{compare}");
        assert!(!takes(&format!("ended {compare} 0")), "{compare}");
        assert_eq!(takes(&format!("params.optimizer {compare} 1")), compare == "!=", "{compare}");
    }
    assert!(takes("not params.momentum = 1") && !takes("params.momentum in ()"));
    assert!(!takes("params.momentum like '*'") && !takes("params.epochs like '*'"));
}

#[test]
fn an_error_names_the_column_and_what_was_expected() {
    for (text, column, says) in [
        ("", 1, "a field"),
        ("   ", 4, "a field"),
        ("params.lr > ", 13, "a value"),
        ("params.lr > adam", 13, "in quotes"),
        ("params.lr > 1 tags has 'x'", 15, "`and`, `or` or the end"),
        ("params.lr ~ 1", 11, "`like`"),
        ("params lr = 1", 7, "name of a param"),
        ("params. = 1", 8, "name of a param"),
        ("lr > 1", 1, "a field"),
        ("status = \"done\"", 10, "not a status"),
        ("status < \"lost\"", 10, "no order"),
        ("started > 1.5", 11, "not a time"),
        ("started like \"x\"", 14, "not text"),
        ("id = 3", 6, "is text"),
        ("id like \"[\"", 9, ""),
        ("tags = \"x\"", 6, "`has`"),
        ("tags has baseline", 10, "a tag in quotes"),
        ("(id = \"a\"", 10, "`)`"),
        ("id = \"a", 6, "no \" at its end"),
        ("id = \"é\\q\"", 8, "after \\"),
        ("params.x in (1 2)", 16, "`,` or `)`"),
        ("params.x in 1", 13, "`(`"),
        ("params.x = 1e", 12, "not a number"),
        ("params.x = 1_0", 12, "not a number"),
        ("params.x = -nan", 12, "not a number"),
    ] {
        let e = RunFilter::parse(text).map(|f| f.to_string()).expect_err(text).to_string();
        assert!(e.contains(&format!("at column {column},")) && e.contains(says), "{text}: {e}");
    }
}

#[test]
fn nesting_is_bounded() {
    let nested = |n: usize| format!("{}id = \"a\"{}", "(".repeat(n), ")".repeat(n));
    assert!(RunFilter::parse(&nested(64)).is_ok());
    for text in [nested(65), "(".repeat(1 << 20), "not ".repeat(1 << 18)] {
        let e = RunFilter::parse(&text).unwrap_err().to_string();
        assert!(e.contains("more than 64 deep"), "{e}");
    }
}

#[test]
fn built_filters_are_checked_as_parsed_ones_are() {
    assert!(RunField::Status.is(Compare::Equal, "done").is_err());
    assert!(RunField::Started.is(Compare::Less, 0.5).is_err());
    assert!(RunField::param("x").is(Compare::Equal, vec![Param::Null]).is_err());
    assert!(RunField::nested::<String>([]).is(Compare::Equal, 1i64).is_err());
    assert!(RunField::Ended.like("*").is_err() && RunField::Id.any_of([1i64]).is_err());
}

fn any_name() -> impl Strategy<Value = String> {
    prop_oneof![3 => "[a-z][a-z0-9_/-]{0,5}", 1 => any::<String>()]
}

fn any_field() -> impl Strategy<Value = RunField> {
    prop_oneof![
        Just(RunField::Id),
        Just(RunField::Status),
        Just(RunField::Started),
        Just(RunField::Ended),
        Just(RunField::Parent),
        Just(RunField::Name),
        Just(RunField::Notes),
        Just(RunField::Group),
        Just(RunField::Reason),
        prop::collection::vec(any_name(), 1..4).prop_map(RunField::Param),
        prop::collection::vec(any_name(), 1..4).prop_map(RunField::Environment),
        any_name().prop_map(RunField::Label),
    ]
}

fn any_value() -> impl Strategy<Value = Param> {
    prop_oneof![
        any::<i64>().prop_map(Param::Int),
        (-9..9i64).prop_map(Param::Int),
        any::<f64>().prop_filter("NaN equals nothing", |x| !x.is_nan()).prop_map(Param::Float),
        any::<String>().prop_map(Param::Text),
        any::<bool>().prop_map(Param::Bool),
        Just(Param::Null),
    ]
}

fn any_compare() -> impl Strategy<Value = Compare> {
    use Compare::{Equal, Greater, GreaterOrEqual, Less, LessOrEqual, NotEqual};
    prop::sample::select(vec![Equal, NotEqual, Less, LessOrEqual, Greater, GreaterOrEqual])
}

fn any_filter() -> impl Strategy<Value = RunFilter> {
    // Where the field refuses the value, a test for the field.
    let is = (any_field(), any_compare(), any_value());
    let is = is.prop_map(|(f, c, v)| f.clone().is(c, v).unwrap_or_else(|_| f.exists()));
    let any_of = (any_field(), prop::collection::vec(any_value(), 0..3));
    let any_of = any_of.prop_map(|(f, v)| f.clone().any_of(v).unwrap_or_else(|_| f.exists()));
    let like = (any_field(), "[a*?\"\\[\\]]{0,4}");
    let like = like.prop_map(|(f, p)| f.clone().like(p).unwrap_or_else(|_| f.exists()));
    let tag = any::<String>().prop_map(RunFilter::tag);
    prop_oneof![4 => is, 1 => any_of, 1 => like, 1 => tag].prop_recursive(4, 16, 2, |inner| {
        prop_oneof![
            (inner.clone(), inner.clone()).prop_map(|(a, b)| a.and(b)),
            (inner.clone(), inner.clone()).prop_map(|(a, b)| a.or(b)),
            inner.prop_map(RunFilter::negated),
        ]
    })
}

proptest! {
    #[test]
    fn a_filter_parses_back_from_its_text(filter in any_filter()) {
        let text = filter.to_string();
        let read = RunFilter::parse(&text);
        prop_assert!(read.is_ok(), "{}: {:?}", text, read);
        prop_assert_eq!(read.unwrap(), filter, "{}", text);
    }

    #[test]
    fn no_text_panics_the_parser_and_each_filter_has_a_text(
        text in prop_oneof![
            any::<String>(),
            "([a-z. ]{0,6}(params|id|tags|has|not|and|or|in|like|[()<>=!,'\"\\\\]|[0-9.e-]{1,4}| )){0,12}",
        ],
    ) {
        match RunFilter::parse(&text) {
            Ok(filter) => {
                let _ = filter.matches(&run("r"));
                prop_assert_eq!(RunFilter::parse(&filter.to_string()).unwrap().to_string(), filter.to_string());
            }
            Err(e) => prop_assert!(e.to_string().contains("at column "), "{}", e),
        }
    }

    #[test]
    fn and_or_and_not_follow_logic(a in any_filter(), b in any_filter()) {
        let r = run("resnet-42");
        let (x, y) = (a.matches(&r), b.matches(&r));
        prop_assert_eq!(a.clone().and(b.clone()).matches(&r), x && y);
        prop_assert_eq!(a.clone().or(b).matches(&r), x || y);
        prop_assert_eq!(a.negated().matches(&r), !x);
    }
}

#[test]
fn a_param_without_its_word_is_refused_with_the_field_that_is_meant() {
    for (text, meant) in [
        ("lr > 1", "`params.lr`"),
        ("config.lr > 1", "`params.lr`"),
        ("has model.depth", "`params.model.depth`"),
        ("not learning_rate = 1", "`params.learning_rate`"),
        ("label.rank = '0'", "`labels.rank`"),
    ] {
        let wrong = RunFilter::parse(text).unwrap_err().to_string();
        assert!(wrong.contains(&format!("did you mean {meant}?")), "{text}: {wrong}");
    }
    for text in ["", "> 1", "3 = 3", "config. = 1", "params > 1"] {
        assert!(!RunFilter::parse(text).unwrap_err().to_string().contains("did you mean"), "{text}");
    }
}
