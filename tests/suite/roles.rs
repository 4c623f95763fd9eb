//! The roles that this binary plays when a test starts it again.

use crate::process::{ARG, ROLE, STORE};
use std::path::Path;

#[test]
fn a_process_started_by_a_test_plays_its_role() {
    let Ok(role) = std::env::var(ROLE) else { return };
    let store = std::env::var_os(STORE).unwrap();
    let (store, arg) = (Path::new(&store), std::env::var(ARG).unwrap());
    match role.as_str() {
        "kill writer" => crate::kill::writer(store, &arg),
        "kill maintainer" => crate::kill::maintainer(store),
        "kill thinner" => crate::kill::thinner(store),
        "sparse reader" => crate::damage::sparse::reader(store),
        "power cut writer" => crate::power_cut::writer(store, &arg),
        "kill reader" => crate::kill::reader(store, &arg),
        "writer" => crate::concurrency::writer(store, &arg),
        "forker" => crate::process_fork::forker(store),
        "log forker" => crate::process_fork::log_forker(store),
        "wanderer" => crate::identity::wanderer(store),
        "watcher" => crate::watch::watcher(store),
        "unwritable writer" => crate::dead_ends::unwritable::writer(store),
        "limited writer" => crate::dead_ends::unwritable::limited(store, &arg),
        "scarce writer" => crate::dead_ends::scarce::writer(store, &arg),
        other => panic!("there is no role {other:?}"),
    }
}
