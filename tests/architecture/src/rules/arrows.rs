//! Dependencies between packages of the workspace point down, never up and never sideways.

use crate::{DependencyKind, Package, Violation, Workspace};

/// A row of the picture in `docs/architecture.md`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Pure data and rules: no I/O, no runtime.
    Domain = 1,
    /// What every program needs.
    Kit = 2,
    /// Rules over ports.
    Rules = 3,
    /// One way among several to do something.
    PlugIn = 4,
    /// A program without its plug-ins.
    Program = 5,
    /// A binary: chooses the plug-ins.
    Binary = 6,
    /// Tests and tools: see everything, and nobody sees them.
    Outside = 7,
}

/// What needs a runtime or the outside world, and so has no place in the domain.
const NOT_IN_DOMAIN: [&str; 8] = ["tokio", "tokio-util", "hyper", "axum", "rusqlite", "rustix", "reqwest", "tracing"];

/// Cloud SDKs are heavy: only these packages see them, so that everyone else builds without.
const SEE_AWS: [&str; 2] = ["adapters/aws", "functions/lambda"];

impl Level {
    /// The level of the package in this folder; `None` if the picture has no place for it.
    #[must_use]
    pub fn of(path: &str) -> Option<Self> {
        Some(match path {
            "core/domain" => Self::Domain,
            "core/frames" | "core/proto" | "core/kit" => Self::Kit,
            "core/delivery" | "engines/host" => Self::Rules,
            "functions/dispatcher" => Self::PlugIn,
            "control-plane" | "functions/knative" => Self::Program,
            "control-plane/bin" | "functions/knative/bin" | "functions/lambda" => Self::Binary,
            "xtask" => Self::Outside,
            _ => match path.split_once('/')? {
                ("adapters" | "engines", _) => Self::PlugIn,
                ("tests" | "clients" | "terraform", _) => Self::Outside,
                _ => return None,
            },
        })
    }
}

/// Every arrow of the graph points to a lower level; what is outside may see all. Dev-dependencies are exempt.
#[must_use]
pub fn point_down(workspace: &Workspace) -> Vec<Violation> {
    let mut violations = Vec::new();
    for package in &workspace.packages {
        let Some(level) = Level::of(&package.path) else {
            let message = format!("`{}` has no level: give it one in tests/architecture and the map", package.name);
            violations.push(Violation::new(format!("{}/Cargo.toml", package.path), 1, message));
            continue;
        };
        for (target, below) in inner_arrows(workspace, package) {
            let is_free = level == Level::Outside;
            if below >= level && !is_free {
                let (path, line) = workspace.manifest_line(package, &target.name);
                let message = format!(
                    "{level:?} package `{}` depends on {below:?} package `{}`; arrows point down: move what both need \
                     to a lower level",
                    package.name, target.name
                );
                violations.push(Violation::new(path, line, message));
            }
        }
    }
    violations
}

fn inner_arrows<'a>(workspace: &'a Workspace, package: &Package) -> Vec<(&'a Package, Level)> {
    let counted = package.dependencies.iter().filter(|dependency| dependency.kind != DependencyKind::Dev);
    let targets = counted.filter_map(|dependency| workspace.packages.iter().find(|p| p.name == dependency.name));
    targets.filter_map(|target| Some((target, Level::of(&target.path)?))).collect()
}

/// The domain knows no runtime and no I/O.
#[must_use]
pub fn domain_is_pure(workspace: &Workspace) -> Vec<Violation> {
    forbidden(workspace, |package, name| {
        let is_impure = package.path == "core/domain" && NOT_IN_DOMAIN.contains(&name);
        is_impure.then(|| format!("the domain does no I/O and knows no runtime: `{name}` belongs behind a port"))
    })
}

/// Cloud SDKs are seen by the cloud's own packages alone.
#[must_use]
pub fn cloud_is_contained(workspace: &Workspace) -> Vec<Violation> {
    forbidden(workspace, |package, name| {
        let is_cloud = name.starts_with("aws-") || name.starts_with("aws_") || name.starts_with("lambda_");
        let is_outside = is_cloud && !SEE_AWS.contains(&package.path.as_str());
        is_outside.then(|| format!("`{name}` may be seen by {} only", SEE_AWS.join(" and ")))
    })
}

fn forbidden(workspace: &Workspace, why: impl Fn(&Package, &str) -> Option<String>) -> Vec<Violation> {
    let mut violations = Vec::new();
    for package in &workspace.packages {
        let counted = package.dependencies.iter().filter(|dependency| dependency.kind != DependencyKind::Dev);
        for dependency in counted {
            if let Some(message) = why(package, &dependency.name) {
                let (path, line) = workspace.manifest_line(package, &dependency.name);
                violations.push(Violation::new(path, line, message));
            }
        }
    }
    violations
}

#[cfg(test)]
mod tests {
    use super::{super::told, *};

    #[test]
    fn an_arrow_up_and_one_sideways_are_seen_and_one_down_is_not() {
        let manifest = "[dependencies]\nfrom-below.workspace = true\nbeside.workspace = true\n";
        let workspace = Workspace::of_files(&[("adapters/one/Cargo.toml", manifest)])
            .with_package("adapters/one", "one", &["beside", "domain", "from-below"])
            .with_package("adapters/two", "beside", &["domain"])
            .with_package("core/domain", "domain", &[])
            .with_package("control-plane", "from-below", &[]);
        let told = told(&point_down(&workspace));
        assert_eq!(told.len(), 2, "{told:?}");
        assert!(told[0].starts_with("adapters/one/Cargo.toml:3: PlugIn package `one` depends on PlugIn"), "{told:?}");
        assert!(told[1].starts_with("adapters/one/Cargo.toml:2: PlugIn package `one` depends on Program"), "{told:?}");
    }

    #[test]
    fn tests_see_everything_and_are_seen_by_nobody() {
        let workspace = Workspace::default()
            .with_package("tests/e2e", "e2e", &["contracts", "kit"])
            .with_package("tests/contracts", "contracts", &[])
            .with_package("core/kit", "kit", &["contracts"]);
        let told = told(&point_down(&workspace));
        assert_eq!(told.len(), 1, "{told:?}");
        assert!(told[0].contains("`kit`"), "{told:?}");
    }

    #[test]
    fn dev_dependencies_are_exempt() {
        let mut workspace = Workspace::default().with_package("core/domain", "domain", &["kit"]);
        workspace = workspace.with_package("core/kit", "kit", &[]);
        workspace.packages[0].dependencies[0].kind = DependencyKind::Dev;
        assert!(point_down(&workspace).is_empty());
    }

    #[test]
    fn a_package_without_a_level_is_seen() {
        let workspace = Workspace::default().with_package("misc/things", "things", &[]);
        assert_eq!(point_down(&workspace).len(), 1);
    }

    #[test]
    fn a_runtime_in_the_domain_and_a_cloud_outside_its_room_are_seen() {
        let workspace = Workspace::default()
            .with_package("core/domain", "domain", &["serde", "tokio"])
            .with_package("adapters/aws", "aws", &["aws-sdk-dynamodb"])
            .with_package("control-plane", "control-plane", &["aws-sdk-dynamodb"]);
        assert_eq!(domain_is_pure(&workspace).len(), 1);
        let told = told(&cloud_is_contained(&workspace));
        assert_eq!(told.len(), 1, "{told:?}");
        assert!(told[0].starts_with("control-plane/"), "{told:?}");
    }
}
