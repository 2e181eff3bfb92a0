//! Fetching: what is asked, what lands where, what is refused.

use super::server::Answer;
use super::{COMMIT, Desk, PINNED, REPOSITORY, UNPINNED, said, sha256, weights};
use serde_json::Value;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

#[test]
fn a_file_lands_where_huggingface_hub_looks_and_is_fetched_once() {
    let desk = Desk::new(weights());
    let model = desk.fetched(UNPINNED);
    assert_eq!((&model["cached"], &model["sha256"]), (&false.into(), &sha256(&weights()).into()));
    let snapshot = desk.repository().join("snapshots").join(COMMIT).join("model.safetensors");
    assert_eq!(fs::read(&snapshot).unwrap(), weights());
    if cfg!(unix) {
        let link = Path::new("../../blobs").join(sha256(&weights()));
        assert_eq!(fs::read_link(&snapshot).unwrap(), link);
    }
    assert_eq!(fs::read_to_string(desk.repository().join("refs/main")).unwrap(), COMMIT);
    assert!(!desk.part().exists());
    let asked = desk.server.requests().len();
    assert_eq!(desk.fetched(UNPINNED)["cached"], true);
    assert_eq!(desk.server.requests().len(), asked, "nothing is asked for again");
    fs::remove_file(&snapshot).unwrap();
    fs::remove_file(desk.repository().join("refs/main")).unwrap();
    desk.fetched(UNPINNED);
    let later = desk.server.requests();
    assert!(later[asked..].iter().all(|request| request.method == "HEAD"), "the bytes are here: {later:?}");
    assert!(snapshot.exists());
}

#[test]
fn a_cut_download_goes_on_where_it_stopped() {
    let desk = Desk::new(weights());
    desk.server.answer(Answer::CutAfter(1_000_000));
    desk.fetched(UNPINNED);
    let ranges: Vec<_> = desk.server.requests().into_iter().filter_map(|request| request.range).collect();
    assert_eq!(ranges.len(), 1);
    let start: usize = ranges[0].trim_start_matches("bytes=").trim_end_matches('-').parse().unwrap();
    assert!((1..=1_000_000).contains(&start), "{start}");
}

#[test]
fn a_part_of_an_earlier_run_is_resumed_and_one_that_is_too_long_is_not() {
    let desk = Desk::new(weights());
    fs::create_dir_all(desk.part().parent().unwrap()).unwrap();
    fs::write(desk.part(), &weights()[..123_456]).unwrap();
    desk.fetched(UNPINNED);
    assert!(desk.server.requests().iter().any(|request| request.range.as_deref() == Some("bytes=123456-")));

    let desk = Desk::new(weights());
    fs::create_dir_all(desk.part().parent().unwrap()).unwrap();
    fs::write(desk.part(), vec![1; weights().len() + 1]).unwrap();
    desk.fetched(UNPINNED);
}

#[test]
fn a_server_that_can_t_resume_sends_all_again() {
    for answer in [Answer::IgnoreRange, Answer::RangeNotSatisfiable] {
        let desk = Desk::new(weights());
        fs::create_dir_all(desk.part().parent().unwrap()).unwrap();
        fs::write(desk.part(), &weights()[..99]).unwrap();
        desk.server.answer(answer);
        desk.fetched(UNPINNED);
    }
}

#[test]
fn a_download_that_fails_for_good_keeps_its_part() {
    let desk = Desk::new(weights());
    desk.server.answer_always(Answer::CutAfter(0));
    let error = desk.refused(UNPINNED);
    assert!(error.contains("can't be fetched") && error.contains("run the same command again"), "{error}");
    assert!(desk.part().exists());
}

#[test]
fn relative_redirects_are_followed_on_the_hub() {
    let desk = Desk::new(weights());
    desk.server.answer(Answer::Moved);
    desk.fetched(UNPINNED);
    assert!(desk.server.requests().iter().any(|request| request.path.contains("/renamed/")));
}

#[test]
fn the_token_goes_to_the_hub_alone() {
    let desk = Desk::new(weights());
    fs::write(desk.home.path().join("token"), "hf_secret\n").unwrap();
    desk.fetched(UNPINNED);
    let (hub, elsewhere): (Vec<_>, Vec<_>) =
        desk.server.requests().into_iter().partition(|request| request.host == desk.server.host());
    assert!(!hub.is_empty() && hub.iter().all(|request| request.token.as_deref() == Some("Bearer hf_secret")));
    assert!(!elsewhere.is_empty() && elsewhere.iter().all(|request| request.token.is_none()), "{elsewhere:?}");
}

#[test]
fn who_is_not_let_in_is_told_what_to_do() {
    for status in [401, 403] {
        let desk = Desk::new(weights());
        desk.server.answer_always(Answer::Status(status));
        let error = desk.refused(UNPINNED);
        assert!(error.contains("HF_TOKEN") && error.contains("licence") && error.contains("timm/resnet152"), "{error}");
    }
}

#[test]
fn what_is_not_there_is_named() {
    let desk = Desk::new(weights());
    desk.server.answer_always(Answer::Status(404));
    let error = desk.refused(UNPINNED);
    assert!(error.contains("/timm/resnet152.a1_in1k/resolve/main/model.safetensors does not exist"), "{error}");
}

#[test]
fn other_bytes_than_promised_are_removed() {
    let desk = Desk::new(weights());
    desk.server.answer_always(Answer::WrongBytes);
    let error = desk.refused(UNPINNED);
    assert!(error.contains(&sha256(&weights())) && error.contains("removed"), "{error}");
    assert!(!desk.part().exists() && fs::read_dir(desk.repository().join("blobs")).unwrap().next().is_none());
}

#[test]
fn a_pinned_model_is_taken_as_pinned_or_not_at_all() {
    let desk = Desk::new(weights());
    let error = desk.refused(PINNED);
    let pinned = "80c49dee3da4822c009c5a7fe591e9223c5a2cfcf95a4067ca4dfb5a7b89c612";
    assert!(error.contains(pinned) && error.contains(&sha256(&weights())), "{error}");
    let paths: Vec<_> = desk.server.requests().into_iter().map(|request| (request.method, request.path)).collect();
    let path = "/timm/resnet18.a1_in1k/resolve/491b427b45c94c7fb0e78b5474cc919aff584bbf/model.safetensors";
    assert_eq!(paths, [("HEAD".into(), path.into())], "not a byte of it is fetched");
}

#[test]
fn what_was_trusted_first_is_held_to_it() {
    let desk = Desk::new(weights());
    desk.fetched(UNPINNED);
    let blob = desk.repository().join("blobs").join(sha256(&weights()));
    let mut bytes = weights();
    *bytes.last_mut().unwrap() ^= 1;
    fs::write(&blob, bytes).unwrap();
    let error = desk.refused(UNPINNED);
    assert!(error.contains(&sha256(&weights())) && error.contains("remove it"), "{error}");
}

#[test]
fn a_hub_that_tells_no_hash_is_not_trusted_without_a_pin() {
    let desk = Desk::new(weights());
    desk.server.answer_always(Answer::NoHash);
    assert!(desk.refused(UNPINNED).contains("no pinned hash"));
}

#[test]
fn offline_nothing_is_asked_and_advice_is_given() {
    let desk = Desk::new(weights());
    let output = desk.command(&["models", "fetch", UNPINNED]).env("HF_HUB_OFFLINE", "1").output().unwrap();
    let error = said(&output);
    assert_eq!(output.status.code(), Some(1));
    for advice in ["HF_HUB_OFFLINE", "alike models fetch resnet152", REPOSITORY, "--model resnet152=FILE"] {
        assert!(error.contains(advice), "{error}");
    }
    assert!(desk.server.requests().is_empty());
    desk.fetched(UNPINNED);
    let output = desk.command(&["models", "fetch", UNPINNED]).env("HF_HUB_OFFLINE", "1").output().unwrap();
    assert!(output.status.success(), "what is here serves offline: {}", said(&output));
}

#[test]
fn a_hub_out_of_reach_is_told_as_such() {
    let desk = Desk::new(weights());
    let output =
        desk.command(&["models", "fetch", UNPINNED]).env("HF_ENDPOINT", "http://127.0.0.1:9").output().unwrap();
    assert!(said(&output).contains("can't be reached"), "{}", said(&output));
}

#[cfg(unix)]
#[test]
fn ctrl_c_leaves_a_part_from_which_the_next_run_goes_on() {
    let desk = Desk::new(weights());
    desk.server.answer(Answer::Slowly);
    let child = desk.command(&["models", "fetch", UNPINNED]).stderr(Stdio::piped()).spawn().unwrap();
    while fs::metadata(desk.part()).map_or(0, |part| part.len()) < 100_000 {
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130), "{}", said(&output));
    assert!(desk.part().exists());
    desk.fetched(UNPINNED);
    assert!(desk.server.requests().iter().any(|request| request.range.is_some()));
}

#[test]
fn two_at_once_fetch_it_once() {
    let desk = Desk::new(weights());
    desk.server.answer(Answer::Slowly);
    let mut children: Vec<_> =
        (0..2).map(|_| desk.command(&["models", "fetch", UNPINNED]).stderr(Stdio::null()).spawn().unwrap()).collect();
    assert!(children.iter_mut().all(|child| child.wait().unwrap().success()));
    let gets = desk.server.requests().into_iter().filter(|request| request.method == "GET").count();
    assert_eq!(gets, 1);
}

#[test]
fn the_list_says_what_is_here() {
    let desk = Desk::new(weights());
    let list = || {
        let output = desk.command(&["models", "--format", "json"]).output().unwrap();
        let json: Value = serde_json::from_slice(&output.stdout).unwrap();
        let models = json["models"].as_array().unwrap().clone();
        models.into_iter().find(|model| model["name"] == UNPINNED).unwrap()
    };
    let before = list();
    assert_eq!((&before["location"], &before["n_features"]), (&Value::Null, &2048.into()));
    assert!(before["bytes"].as_u64() > Some(1_000_000) && before["licence"] == "Apache-2.0");
    let path = desk.fetched(UNPINNED)["path"].clone();
    let location = list()["location"].as_str().unwrap().to_owned();
    assert_eq!(fs::canonicalize(location).unwrap(), fs::canonicalize(path.as_str().unwrap()).unwrap());
    let text = desk.command(&["models"]).output().unwrap();
    let text = String::from_utf8(text.stdout).unwrap();
    assert!(text.contains("dinov2-small") && text.contains("not fetched") && text.contains("built in"), "{text}");
}
