//! A process's producer: does what the worker commands one request after the other, asks again, and says how each
//! transaction ended. What a driver with a real client does.

use std::collections::VecDeque;

use thalweg_core::exactly_once::TransactionResult;

use crate::broker::cluster::{Answer, Request};
use crate::broker::transactions::Producer;

/// So often a request is sent before its producer gives up.
const ATTEMPTS_MAX: u32 = 2;

/// What is wrong with the open transaction.
#[derive(Debug)]
enum Broken {
    /// It can only be aborted.
    Abort(String),
    /// The same, and the group does not know the member any more.
    NoMember(String),
    /// It is not this producer's any more.
    Fenced(String),
}

/// A request that is under way.
#[derive(Debug)]
pub(crate) struct Out {
    pub(crate) number: u64,
    pub(crate) request: Request,
    /// So often it was sent.
    pub(crate) sent: u32,
    /// So often in a row no answer came.
    unanswered: u32,
}

/// What follows.
#[derive(Debug)]
pub(crate) enum Step {
    /// The request that is out must be sent (again).
    Send,
    /// The same, after a while.
    SendLater,
    /// The producer is there.
    Renewed,
    /// The transaction has ended.
    Ended(TransactionResult),
}

/// See the module's text.
#[derive(Debug)]
pub(crate) struct Client {
    pub(crate) transactional_id: u64,
    pub(crate) producer: Option<Producer>,
    jobs: VecDeque<Request>,
    pub(crate) out: Option<Out>,
    broken: Option<Broken>,
}

impl Client {
    pub(crate) fn new(transactional_id: u64) -> Self {
        Self { transactional_id, producer: None, jobs: VecDeque::new(), out: None, broken: None }
    }

    /// Drops the producer. Answers whether there was one.
    pub(crate) fn reset(&mut self) -> bool {
        self.jobs.clear();
        self.out = None;
        self.broken = None;
        self.producer.is_some()
    }

    /// What is to be done after all that was told before.
    pub(crate) fn tell(&mut self, request: Request) {
        self.jobs.push_back(request);
    }

    /// Goes on, when nothing is out.
    pub(crate) fn step(&mut self, number: u64) -> Option<Step> {
        if self.out.is_some() {
            return None;
        }
        while self.out.is_none() {
            let mut request = self.jobs.pop_front()?;
            match (&mut request, &self.broken) {
                (Request::Init, _) => self.producer = None,
                (_, None) => {}
                (Request::End { .. }, Some(Broken::Fenced(_))) => {
                    return Some(Step::Ended(self.result(false)));
                }
                (Request::End { commit }, Some(_)) => *commit = false,
                (_, Some(_)) => continue,
            }
            self.out = Some(Out { number, request, sent: 1, unanswered: 0 });
        }
        Some(Step::Send)
    }

    /// An answer has come.
    pub(crate) fn answered(&mut self, number: u64, answer: Answer) -> Option<Step> {
        let out = self.out.as_mut().filter(|out| out.number == number)?;
        let ends = matches!(out.request, Request::End { .. });
        match (&out.request, answer) {
            (_, Answer::Later) | (Request::Init | Request::End { .. }, Answer::Refused) => {
                out.sent += 1;
                out.unanswered = 0;
                return Some(Step::SendLater);
            }
            (_, Answer::Ready(producer)) => {
                self.producer = Some(producer);
                self.broken = None;
                self.out = None;
                return Some(Step::Renewed);
            }
            (Request::End { commit }, Answer::Done) => {
                let commit = *commit;
                self.out = None;
                return Some(Step::Ended(self.result(commit)));
            }
            (_, Answer::Done) => {}
            (_, Answer::Fenced) => self.broken = Some(Broken::Fenced("a later producer".to_owned())),
            (_, Answer::UnknownMember) => self.broken = Some(Broken::NoMember("unknown member".to_owned())),
            (_, Answer::StaleGeneration) => self.broken = Some(Broken::Abort("stale generation".to_owned())),
            (_, Answer::Refused) => self.broken = Some(Broken::Abort("refused".to_owned())),
        }
        self.out = None;
        ends.then(|| Step::Ended(self.result(false)))
    }

    /// No answer has come in time.
    pub(crate) fn timed_out(&mut self, number: u64, sent: u32) -> Option<Step> {
        let out = self.out.as_mut().filter(|out| out.number == number && out.sent == sent)?;
        out.unanswered += 1;
        if out.unanswered < ATTEMPTS_MAX || matches!(out.request, Request::Init) {
            out.sent += 1;
            return Some(Step::Send);
        }
        let ends = matches!(out.request, Request::End { .. });
        self.out = None;
        if ends {
            self.broken = None;
            return Some(Step::Ended(TransactionResult::Unknown("no answer".to_owned())));
        }
        self.broken = Some(Broken::Abort("no answer".to_owned()));
        None
    }

    fn result(&mut self, committed: bool) -> TransactionResult {
        match self.broken.take() {
            None if committed => TransactionResult::Committed,
            None => TransactionResult::Aborted("as asked".to_owned()),
            Some(Broken::Abort(reason)) => TransactionResult::Aborted(reason),
            Some(Broken::NoMember(reason) | Broken::Fenced(reason)) => TransactionResult::Fenced(reason),
        }
    }
}
