//! This workspace keeps its own rules.

use std::sync::LazyLock;

use workmanager_tests_architecture::{Violation, Workspace, rules::*};

static WORKSPACE: LazyLock<anyhow::Result<Workspace>> = LazyLock::new(Workspace::load);

#[track_caller]
fn holds(rule: fn(&Workspace) -> Vec<Violation>) {
    let broken = match &*WORKSPACE {
        Ok(workspace) => rule(workspace).iter().map(ToString::to_string).collect(),
        Err(error) => vec![format!("{error:#}")],
    };
    assert!(broken.is_empty(), "broken in {} places:\n{}\n", broken.len(), broken.join("\n"));
}

#[test]
fn dependencies_between_packages_point_down() {
    holds(arrows::point_down);
}

#[test]
fn the_domain_knows_no_runtime_and_no_io() {
    holds(arrows::domain_is_pure);
}

#[test]
fn cloud_sdks_are_seen_by_the_clouds_packages_alone() {
    holds(arrows::cloud_is_contained);
}

#[test]
fn every_binary_has_one_file_that_assembles_it() {
    holds(assembly::one_file_per_binary);
}

#[test]
fn only_the_assembling_file_names_adapters_and_engines() {
    holds(assembly::only_it_names_plug_ins);
}

#[test]
fn binaries_are_packages_of_their_own() {
    holds(assembly::binaries_are_packages_of_their_own);
}

#[test]
fn packages_are_named_after_their_paths() {
    holds(names::packages_are_named_after_their_paths);
}

#[test]
fn files_are_named_after_what_they_hold() {
    holds(names::files_are_named_after_what_they_hold);
}

#[test]
fn no_file_is_called_mod() {
    holds(names::no_file_is_called_mod);
}

#[test]
fn no_file_has_more_than_400_lines_besides_its_tests() {
    holds(files::stay_readable);
}

#[test]
fn nothing_panics_outside_tests_without_an_excuse() {
    holds(panics::are_excused);
}

#[test]
fn decisions_are_numbered_without_gaps() {
    holds(decisions::are_numbered_without_gaps);
}

#[test]
fn decisions_have_one_shape_and_one_page() {
    holds(decisions::have_one_shape);
}

#[test]
fn versions_stand_in_the_workspace_table_alone() {
    holds(dependencies::versions_stand_in_the_workspace_table);
}

#[test]
fn every_dependency_of_a_package_is_used_by_it() {
    holds(dependencies::every_dependency_is_used);
}

#[test]
fn every_line_of_the_workspace_table_is_asked_for() {
    holds(dependencies::the_workspace_table_has_no_idle_line);
}

#[test]
fn every_relative_link_leads_somewhere() {
    holds(links::lead_somewhere);
}

#[test]
fn the_root_and_every_directory_with_several_rooms_have_a_readme() {
    holds(rooms::have_a_readme);
}

#[test]
fn code_holds_no_note_for_later() {
    holds(words::leave_no_note_for_later);
}

#[test]
fn no_file_names_somebodys_home() {
    holds(words::name_no_home);
}

#[test]
fn every_command_in_the_documents_is_run_by_a_test() {
    holds(commands::are_run_by_a_test);
}

#[test]
fn every_block_of_commands_has_its_name_alone() {
    holds(commands::have_their_name_alone);
}
