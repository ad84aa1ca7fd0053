//! The shipped templates are in order; what their requests mean is held to tables by the gateway's tests.

use std::{collections::BTreeSet, fs, path::Path};

use bailiwick_catalogue::{Definition, Level, Mints, Resource, TEMPLATES, Template, lint};
use bailiwick_core::EffectClass;

/// The resource that a template makes with nothing else said but where it is, if the template does not know.
fn resource(template: &Template) -> Resource {
    let text = format!("template = '{}'", template.name);
    let load = |text: &str| Definition::load(template.name.parse().unwrap(), template.name, text);
    load(&text).or_else(|_| load(&format!("{text}\naddress = 'https://service.example'"))).unwrap()
}

#[test]
fn every_file_is_a_template_and_the_other_way_round() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("templates");
    let files: BTreeSet<String> = fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    let names =
        TEMPLATES.iter().flat_map(|it| [format!("{}.toml", it.name), format!("{}.cases.toml", it.name)]);
    assert_eq!(files, names.collect());
    assert!(TEMPLATES.windows(2).all(|pair| pair[0].name < pair[1].name), "by name");
}

#[test]
fn none_gives_cause_for_a_warning() {
    for template in &TEMPLATES {
        let warnings: Vec<_> =
            lint(&resource(template)).into_iter().filter(|finding| finding.level > Level::Note).collect();
        assert_eq!(warnings, [], "{}", template.name);
    }
}

#[test]
fn what_mints_is_refused_but_for_what_lasts_for_minutes() {
    for template in &TEMPLATES {
        for route in resource(template).routes {
            let kept = matches!(&route.mints, Mints::Captured(minting) if !minting.ephemeral);
            assert!(!kept, "{}: {}", template.name, route.path);
            let mints = route.operation.as_str().ends_with("token_mint");
            assert!(!mints || route.mints == Mints::Refused, "{}: {}", template.name, route.path);
        }
    }
}

#[test]
fn only_reads_are_caught_by_the_rest_without_being_held() {
    let held = [EffectClass::Destructive, EffectClass::Identity, EffectClass::External];
    for name in ["github", "gitlab"] {
        let resource = resource(Template::by_name(name).unwrap());
        let rest = resource.routes.iter().filter(|route| route.path.to_string().ends_with("/{path..}"));
        let unsafe_rest =
            { rest }.filter(|route| !route.effects.is_read() && route.operation.as_str() == "forge.other");
        let mut count = 0;
        for route in unsafe_rest {
            count += 1;
            assert!(held.iter().any(|class| route.effects.contains(*class)), "{name}: {}", route.path);
        }
        assert!(count > 0, "{name} has no rest");
    }
}
