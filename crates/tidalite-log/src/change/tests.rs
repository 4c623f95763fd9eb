//! Every kind of change reads back; other bytes are refused.

use super::codes::{EDIT, LIST};
use super::{decode, encode};
use std::collections::{BTreeMap, BTreeSet};
use tidalite_model::{
    Assign, ErrorKind, Labels, Moment, PARAM_DEPTH_MAX, Param, Params, Parent, RunChange, RunEdit, RunEnd,
    RunStart, SEQ_ORDINAL_MAX, Status, WRITER_MAX,
};

fn bytes(change: &RunChange) -> Vec<u8> {
    let mut out = Vec::new();
    encode(change, &mut out).unwrap();
    out
}

fn nested(depth: usize) -> Params {
    let value = (0..depth).fold(Param::Null, |p, i| match i % 2 {
        0 => Param::List(vec![p]),
        _ => Param::Map(BTreeMap::from([("k".to_string(), p)])),
    });
    Params::from([("p".to_string(), value)])
}

fn every_kind() -> Vec<RunChange> {
    let params = Params::from([
        ("null".to_string(), Param::Null),
        ("yes".to_string(), true.into()),
        ("no".to_string(), false.into()),
        ("int".to_string(), i64::MIN.into()),
        ("zero".to_string(), (-0.0).into()),
        ("inf".to_string(), f64::NEG_INFINITY.into()),
        ("text".to_string(), "🌊".into()),
        ("list".to_string(), vec![Param::Int(1), "x".into(), vec![].into()].into()),
    ]);
    let tags = BTreeSet::from(["a".to_string(), "b".to_string()]);
    let edit = RunEdit {
        params: params.clone(),
        remove_params: tags.clone(),
        add_tags: tags.clone(),
        name: Assign::Set("name".into()),
        notes: Assign::Clear,
        parent: Assign::Set(Parent { run: "p".into(), step: Some(i64::MIN) }),
        status: Assign::Set(Status::Lost),
        ended_us: Assign::Set(-1),
        ..RunEdit::default()
    };
    let start = |edit| {
        RunChange::Start(RunStart {
            time_us: -5,
            labels: Labels::parse("host=a,rank=3").unwrap(),
            host: "node-7".into(),
            pid: u32::MAX,
            gone: Moment::new(3, [(1, 0), (5, 6)]),
            edit,
        })
    };
    let stepless = RunEdit {
        remove_tags: tags,
        group: Assign::Set(String::new()),
        parent: Assign::Set(Parent { run: "p".into(), step: None }),
        started_us: Assign::Clear,
        ..RunEdit::params(nested(PARAM_DEPTH_MAX))
    };
    let end = |reason: Option<&str>, last_step: Option<i64>| {
        RunChange::End(RunEnd {
            start: SEQ_ORDINAL_MAX,
            time_us: i64::MAX,
            status: Status::Failed,
            reason: reason.map(str::to_string),
            logged: last_step.is_some(),
            last_step,
        })
    };
    let rewind = |before, labels, metrics: &[&str]| RunChange::Rewind {
        step: i64::MIN,
        before,
        labels: Labels::parse(labels).unwrap(),
        metrics: metrics.iter().map(|m| m.to_string()).collect(),
    };
    vec![
        start(RunEdit::default()),
        start(edit),
        RunChange::Edit(stepless),
        end(Some("ValueError: no"), Some(9)),
        end(None, None),
        rewind(Moment::default(), "", &[]),
        rewind(Moment::new(3, [(1, 0), (WRITER_MAX, u64::MAX)]), "rank=1", &["loss", "train/*"]),
        RunChange::Delete { before: Moment::new(WRITER_MAX + 1, []) },
        RunChange::Withdraw { start: 0 },
    ]
}

#[test]
fn every_kind_of_change_reads_back() {
    for change in every_kind() {
        assert_eq!(decode(&bytes(&change)), Some(change));
    }
}

#[test]
fn the_bits_of_a_nan_are_kept() {
    let nan = f64::from_bits(0x7FF8_0000_DEAD_BEEF);
    let change = RunChange::Edit(RunEdit::param("x", Param::Float(nan)));
    let Some(RunChange::Edit(read)) = decode(&bytes(&change)) else { panic!("it is a change") };
    assert!(matches!(read.params["x"], Param::Float(f) if f.to_bits() == nan.to_bits()));
}

#[test]
fn nesting_is_bounded_both_ways() {
    let deep = RunChange::Edit(RunEdit::params(nested(PARAM_DEPTH_MAX + 1)));
    let e = encode(&deep, &mut Vec::new()).unwrap_err();
    assert_eq!(e.kind(), ErrorKind::Invalid);
    // A list in a list, 100,000 levels deep.
    let mut forged = vec![EDIT, 1, 0, 0, 0, 1, 0, 0, 0, b'p'];
    (0..100_000).for_each(|_| forged.extend_from_slice(&[LIST, 1, 0, 0, 0]));
    assert_eq!(decode(&forged), None);
}

#[test]
fn truncated_and_changed_bytes_are_refused_or_read_safely() {
    for change in every_kind() {
        let good = bytes(&change);
        for len in 0..good.len() {
            assert_eq!(decode(&good[..len]), None, "{len} of {} bytes", good.len());
        }
        for i in 0..good.len() {
            for value in [0, 1, 0x7F, 0xFF] {
                let mut bad = good.clone();
                bad[i] = value;
                let _ = decode(&bad);
            }
        }
    }
}
