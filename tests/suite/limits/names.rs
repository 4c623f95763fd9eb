//! Names, labels and params: any text is allowed up to its length.

use super::refusal::{long_form, new_store, refused, still_works};
use tidalite::{ErrorKind, Labels, Param, Params, RowAt, TIME_US_MAX, TIME_US_MIN};
use tidalite_testkit::points;

#[test]
fn a_name_may_hold_any_text_and_never_leaves_the_stores_folder() {
    let (dir, path, store) = new_store();
    let long = "x".repeat(4096);
    let names = [
        "../../escaped",
        "/absolute",
        "..",
        ".",
        "nul\0byte",
        "🌊\u{200d}",
        "line\nfeed",
        " ",
        "\\",
        "con",
        "a*?[]{},b",
        &long,
    ];
    for name in names {
        let run = store.run(name).param(name, name).tag(name).label(name, name).start().unwrap();
        run.log(1, &[(name, 1.0)]).unwrap();
        run.log_at(&RowAt::step(2).labels(Labels::new([(name, "v")]).unwrap()), &[(name, 2.0)]).unwrap();
        run.finish().unwrap();
    }
    for _ in 0..2 {
        for name in names {
            let found = points(&store.select().run(name).metric(name)).unwrap();
            assert_eq!(found.len(), 2, "{:?}", &name[..name.len().min(20)]);
            assert_eq!((&*found[0].0.run, &*found[0].0.metric), (name, name));
            assert_eq!(store.snapshot().unwrap().run(name).unwrap().params[name], Param::from(name));
        }
        store.compact().unwrap();
    }
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1, "nothing is written next to the store");
    let known = |name: &str| {
        let folders = ["hidden", "log", "manifest", "parts", "rollups", "runs", "series", "writers"];
        ["TIDALITE", "lock", "reserve"].contains(&name) || folders.contains(&name)
    };
    assert!(std::fs::read_dir(&path).unwrap().all(|e| known(e.unwrap().file_name().to_str().unwrap())));
}

#[test]
fn names_that_are_empty_or_too_long_are_refused_and_nothing_is_logged() {
    let (_dir, _path, store) = new_store();
    let run = store.run("r").start().unwrap();
    for bad in [String::new(), "x".repeat(4097), "🌊".repeat(16 << 10)] {
        let says = if bad.is_empty() { "empty" } else { "bytes" };
        refused(store.run(&bad).start(), ErrorKind::Invalid, &["run id", says, "4096"]);
        refused(store.run("s").tag(&bad).start(), ErrorKind::Invalid, &["tag", says]);
        refused(store.run("s").param(&bad, 1i64).start(), ErrorKind::Invalid, &["param", says]);
        refused(store.run("s").label(&bad, "v").start(), ErrorKind::Invalid, &["label key", says]);
        refused(store.run("s").label("k", &bad).start(), ErrorKind::Invalid, &["label value", says]);
        refused(store.run("s").parent(&bad, None).start(), ErrorKind::Invalid, &["parent", says]);
        refused(run.log(0, &[("good", 1.0), (&bad, 1.0)]), ErrorKind::Invalid, &["metric name", says]);
        refused(run.metric(&bad).map(|_| ()), ErrorKind::Invalid, &["metric name", says]);
        refused(run.set_tags([bad.as_str()], []), ErrorKind::Invalid, &["tag", says]);
        refused(
            run.set_params(Params::from([(bad.clone(), 1i64.into())])),
            ErrorKind::Invalid,
            &["param", says],
        );
        refused(store.append(&long_form(&bad, "m")), ErrorKind::Invalid, &["row 0", says]);
        refused(store.append(&long_form("r", &bad)), ErrorKind::Invalid, &["row 0", says]);
    }
    assert_eq!(store.stats().unwrap().points, 0);
    assert_eq!(store.runs().unwrap().len(), 1);
    still_works(&store);
}

#[test]
fn rows_that_make_no_sense_are_refused_whole() {
    let (_dir, _path, store) = new_store();
    let run = store.run("r").start().unwrap();
    refused(run.log(0, &[]), ErrorKind::Invalid, &["no values"]);
    refused(run.log(0, &[("a", 1.0), ("b", 2.0), ("a", 3.0)]), ErrorKind::Invalid, &["\"a\"", "twice"]);
    for time in [TIME_US_MIN - 1, TIME_US_MAX + 1, i64::MIN, i64::MAX, 1_780_000_000_000_000_000] {
        refused(
            run.log_at(&RowAt::step(0).time_us(time), &[("a", 1.0)]),
            ErrorKind::Invalid,
            &[&time.to_string(), "microseconds"],
        );
    }
    for time in [TIME_US_MIN, TIME_US_MAX] {
        run.log_at(&RowAt::step(0).time_us(time), &[("edge", 1.0)]).unwrap();
    }
    let columns = run.columns(&["a", "b"]).unwrap();
    refused(columns.log(0, &[1.0]), ErrorKind::Invalid, &["1", "2"]);
    let many: Vec<(String, String)> = (0..65).map(|i| (format!("k{i}"), "v".into())).collect();
    refused(Labels::new(many.clone()), ErrorKind::Invalid, &["65", "64"]);
    let builder = many.iter().fold(store.run("s"), |b, (k, v)| b.label(k, v));
    refused(builder.start(), ErrorKind::Invalid, &["65", "64"]);
    refused(
        store.run("s").label("k", "1").label("k", "2").start(),
        ErrorKind::Invalid,
        &["\"k\"", "is repeated"],
    );
    let deep = (0..40).fold(Param::Null, |p, _| Param::List(vec![p]));
    refused(
        store.run("s").param("deep", deep.clone()).start(),
        ErrorKind::Invalid,
        &["\"deep\"", "40", "32"],
    );
    refused(run.set_params(Params::from([("deep".into(), deep)])), ErrorKind::Invalid, &["\"deep\""]);
    let huge = "x".repeat(5 << 20);
    refused(run.set_params(Params::from([("huge".into(), huge.into())])), ErrorKind::Invalid, &["bytes"]);
    assert_eq!(store.stats().unwrap().points, 2);
    still_works(&store);
}
