//! Which crate may know which: the arrows of ARCHITECTURE.md as a table.
//! Dependencies on crates of others are cargo-deny's business.

use std::path::PathBuf;

use crate::Outcome;
use crate::run::root;
use crate::tools::read;

/// Each package of the workspace and the packages of it that it may depend on. A new edge is a decision: it gets a line
/// in ARCHITECTURE.md and one here.
const MAY_KNOW: &[(&str, &[&str])] = &[
    ("trunkline-proto", &[]),
    ("trunkline-delivery", &["trunkline-proto"]),
    ("trunkline-log", &["trunkline-delivery", "trunkline-proto"]),
    ("trunkline-engine", &["trunkline-proto"]),
    ("trunkline-redis", &["trunkline-log", "trunkline-delivery", "trunkline-proto"]),
    ("trunkline", &["trunkline-engine", "trunkline-delivery", "trunkline-log", "trunkline-proto", "trunkline-redis"]),
    ("trunkline-server", &["trunkline"]),
    ("trunkline-fuzz", &["trunkline-proto", "trunkline-log"]),
    ("xtask", &[]),
];

/// What packages under these folders may know: they are users of the library.
const USERS: &[(&str, &[&str])] = &[("examples", &["trunkline"]), ("bench", &["trunkline"])];

/// Compares every manifest with the table.
pub(super) fn check(files: &[PathBuf]) -> Outcome<Vec<String>> {
    let mut findings = Vec::new();
    for path in files.iter().filter(|path| path.ends_with("Cargo.toml")) {
        let text = read(&root().join(path))?;
        let Some(package) = package_name(&text) else {
            continue;
        };
        let folder = path.iter().next().and_then(|folder| folder.to_str()).unwrap_or_default();
        let Some(may_know) = allowed(&package, folder) else {
            findings.push(format!("{}: {package} is not in the table of edges", path.display()));
            continue;
        };
        for known in dependencies(&text) {
            let is_ours = known == "trunkline" || known.starts_with("trunkline-");
            if is_ours && known != package && !may_know.contains(&known.as_str()) {
                findings.push(format!("{}: {package} may not know {known}", path.display()));
            }
        }
    }
    Ok(findings)
}

fn allowed(package: &str, folder: &str) -> Option<&'static [&'static str]> {
    let user = USERS.iter().find(|(of, _)| *of == folder);
    let named = MAY_KNOW.iter().find(|(name, _)| *name == package);
    user.or(named).map(|(_, may_know)| *may_know)
}

/// The name in the section `[package]` of a manifest.
fn package_name(manifest: &str) -> Option<String> {
    let mut lines = manifest.lines().skip_while(|line| line.trim() != "[package]").skip(1);
    let line = lines.by_ref().take_while(|line| !line.starts_with('[')).find(|line| key(line) == "name")?;
    line.split('"').nth(1).map(str::to_owned)
}

/// The keys of every section of dependencies, whatever their kind.
fn dependencies(manifest: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut inside = false;
    for line in manifest.lines().map(str::trim) {
        if let Some(section) = line.strip_prefix('[') {
            let section = section.trim_end_matches(']');
            inside = section.ends_with("dependencies") && section != "workspace.dependencies";
            if let Some((before, name)) = section.rsplit_once('.')
                && before.ends_with("dependencies")
                && before != "workspace.dependencies"
            {
                found.push(name.trim_matches('"').to_owned());
            }
        } else if inside && !line.is_empty() && !line.starts_with('#') {
            found.push(key(line).to_owned());
        }
    }
    found
}

/// The first part of the key in a line of TOML: `name` of `name.workspace = true`.
fn key(line: &str) -> &str {
    let end = line.find(['=', '.', ' ']).unwrap_or(line.len());
    line[..end].trim().trim_matches('"')
}

#[cfg(test)]
mod tests {
    use super::*;

    const MANIFEST: &str = "\
[package]
name = \"trunkline-log\"

[dependencies]
trunkline-delivery.workspace = true
bytes = \"1\"

[dev-dependencies.trunkline]
path = \"../trunkline\"

[workspace.dependencies]
trunkline-engine = { path = \"x\" }
";

    #[test]
    fn every_kind_of_dependency_is_seen_and_the_workspaces_list_is_not() {
        assert_eq!(dependencies(MANIFEST), ["trunkline-delivery", "bytes", "trunkline"]);
        assert_eq!(package_name(MANIFEST).as_deref(), Some("trunkline-log"));
    }
}
