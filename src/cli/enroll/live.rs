//! Follows an enrolment before the camera and says, to whoever enrols, what the resident is to do.

use super::super::Failure;
use super::silent;
use crate::app::sitting::Progress;
use crate::app::{self, Answer, Question};
use crate::config::Config;
use crate::domain::{Advice, Hint, SittingEnd};
use serde_json::Value;
use std::time::{Duration, Instant};

/// With fewer templates, recognition is worth less than the card that everybody has.
const ENOUGH: usize = 3;
const ASK_EVERY: Duration = Duration::from_millis(200);
/// The worker says itself that time is over; without frames it says nothing.
const MARGIN: Duration = Duration::from_secs(3);

/// The sealed templates of whoever stands there, in base64.
pub(super) fn sealed(config: &Config, subject: &str, seconds: u32) -> Result<Vec<String>, Failure> {
    let begun = ask(config, &Question::Sit { subject: subject.to_owned(), seconds })?;
    let number = begun["number"].as_u64().unwrap_or(0);
    println!("stand before the camera and look at it");
    let end = Instant::now() + Duration::from_secs(seconds.into()) + MARGIN;
    let (mut kept, mut said) = (0, None);
    loop {
        std::thread::sleep(ASK_EVERY);
        let progress: Progress =
            serde_json::from_value(ask(config, &Question::Sitting { number })?)
                .map_err(|e| Failure::Data(format!("the gate's answer makes no sense: {e}")))?;
        if progress.sealed.len() > kept {
            kept = progress.sealed.len();
            let more = progress.more.unwrap_or(0);
            println!("{kept} of {}", kept + usize::from(more));
        }
        let over = Instant::now() >= end;
        if let Some(end) = progress.ended.or(over.then_some(SittingEnd::TimedOut)) {
            return conclude(progress.sealed, end);
        }
        if progress.advice != said {
            said = progress.advice;
            if let Some(advice) = said {
                println!("  {}", words(advice));
            }
        }
    }
}

fn ask(config: &Config, question: &Question) -> Result<Value, Failure> {
    match app::ask(config, question) {
        Ok(Answer::Ok(value)) => Ok(value),
        Ok(Answer::Refused(why)) => Err(Failure::Data(why)),
        Err(e) => Err(silent(&e)),
    }
}

fn conclude(sealed: Vec<String>, end: SittingEnd) -> Result<Vec<String>, Failure> {
    match end {
        SittingEnd::Another => Err(Failure::Data(
            "somebody else stood there, so nobody can say whose face it is: nothing was enrolled. Try \
             again with the resident alone before the camera"
                .into(),
        )),
        SittingEnd::Down => Err(Failure::Unavailable(
            "the camera or the face worker went down meanwhile: nothing was enrolled. `eithergate check` \
             says why; then try again"
                .into(),
        )),
        SittingEnd::TimedOut if sealed.len() < ENOUGH => Err(Failure::Data(format!(
            "only {} good picture(s) in the time, of {ENOUGH} at least: nothing was enrolled. Try again in \
             even light, within an arm's length of the camera, turning the head a little between pictures",
            sealed.len()
        ))),
        SittingEnd::TimedOut => {
            println!("time is over; {} will do", sealed.len());
            Ok(sealed)
        }
        SittingEnd::Done => Ok(sealed),
    }
}

fn words(advice: Advice) -> &'static str {
    match advice {
        Advice::Nobody => "nobody is to be seen",
        Advice::Several => "several people: one alone, please",
        Advice::Another => "is that somebody else?",
        Advice::Hint(Hint::ComeCloser) => "come closer",
        Advice::Hint(Hint::HoldStill) => "hold still",
        Advice::Hint(Hint::BetterLight) => "more light, or not against the light",
        Advice::Hint(Hint::UncoverFace) => "uncover your face",
        Advice::Hint(Hint::TurnHead) => "turn your head a little, or change your expression",
        Advice::Hint(_) => "look at the camera",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn too_few_or_two_people_are_not_enrolled() {
        let some = |n: usize| vec![String::from("x"); n];
        let count = |n, end| conclude(some(n), end).map(|s| s.len()).ok();
        assert_eq!(count(5, SittingEnd::Done), Some(5));
        assert_eq!(count(ENOUGH, SittingEnd::TimedOut), Some(ENOUGH));
        assert_eq!(count(ENOUGH - 1, SittingEnd::TimedOut), None);
        assert_eq!(count(5, SittingEnd::Another), None);
        assert_eq!(count(5, SittingEnd::Down), None);
    }
}
