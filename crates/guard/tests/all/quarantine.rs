use bailiwick_guard::Kept;

use crate::world::World;

#[test]
fn a_person_may_look_and_take_it_back() {
    let world = World::new();
    world.write(".vscode/settings.json", "mine");
    world.enter("s");
    world.write(".envrc", "export A=1\n");
    world.write(".vscode/settings.json", "theirs");
    let left = world.leave("s");
    assert_eq!(left.quarantined.len(), 2);
    for item in &left.quarantined {
        let (again, bytes) = world.guards.item(&item.id[..6]).unwrap();
        assert_eq!(again, *item);
        assert!(matches!(again.kept, Kept::File { .. }) && !bytes.is_empty());
        world.guards.restore(&item.id).unwrap();
    }
    assert_eq!(world.read(".envrc").as_deref(), Some("export A=1\n"));
    assert_eq!(world.read(".vscode/settings.json").as_deref(), Some("theirs"));
    let rest = world.guards.items();
    assert_eq!(rest.len(), 1, "what was there before is kept in its turn");
    assert_eq!(world.guards.item(&rest[0].id).unwrap().1, b"mine");
    world.guards.discard(&rest[0].id).unwrap();
    assert!(world.guards.items().is_empty());
    for bad in ["", "nothing", "../../x"] {
        assert!(world.guards.restore(bad).is_err() && world.guards.discard(bad).is_err());
    }
}

#[test]
fn what_a_person_took_back_stays_in_the_session_that_goes_on() {
    let world = World::new();
    let repository = world.repository("");
    world.enter("s");
    world.git_ok(&repository, &["config", "alias.st", "!date"]);
    world.write(".envrc", "x");
    world.guards.hand_off("s");
    for item in world.guards.items() {
        world.guards.restore(&item.id).unwrap();
    }
    let left = world.leave("s");
    assert_eq!(left.quarantined.len(), 2, "{left:?}");
    assert_eq!(world.read(".envrc").as_deref(), Some("x"));
    assert_eq!(world.git_ok(&repository, &["config", "alias.st"]), "!date");
}

#[test]
fn something_else_in_its_place_is_not_overwritten() {
    let world = World::new();
    world.enter("s");
    world.write(".envrc", "theirs");
    let left = world.leave("s");
    world.write(".envrc", "the person's own, since");
    assert!(world.guards.restore(&left.quarantined[0].id).is_err());
    assert_eq!(world.read(".envrc").as_deref(), Some("the person's own, since"));
}
