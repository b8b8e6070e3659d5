//! How far a view is: what was read, where its topic ends, and who waits for the one to reach the other.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::{Condvar, Mutex};
use tokio::sync::watch;

/// See the module's text. Written by the threads that read and look, read by whoever answers requests.
pub(crate) struct Progress {
    moment: watch::Sender<Moment>,
    questions: Mutex<Questions>,
    asked: Condvar,
}

/// How it stands.
#[derive(Debug)]
pub(crate) struct Moment {
    standing: Standing,
    /// The next offset of each partition.
    positions: Vec<i64>,
    /// Where each partition ended when the last question was answered, and that question's number.
    ends: Arc<[i64]>,
    answered: u64,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Standing {
    /// Nothing was read yet.
    Idle,
    /// It has yet to come to where its topic ended at the start.
    Loading(Arc<[i64]>),
    Ready,
    Stopped(Unready),
}

/// Why a view can't be shown.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Unready {
    /// It has so many offsets yet to read.
    #[error("it is being read, {0} offsets are left")]
    Loading(u64),
    /// It would take more memory than it may.
    #[error("it needs more than its {0} bytes of memory: raise views.bytes_max, and start again")]
    TooLarge(u64),
    /// It can't be read on.
    #[error("{0}")]
    Failed(String),
}

/// Where the topic ends is asked for by one thread; who asks while a question is out needs the next one.
#[derive(Debug, Default)]
struct Questions {
    /// The number of the last one that somebody needs.
    wanted: u64,
    /// Of the last one that was put.
    put: u64,
    over: bool,
}

impl Default for Progress {
    fn default() -> Self {
        let ends = Arc::new([]);
        let moment = Moment { standing: Standing::Idle, positions: Vec::new(), ends, answered: 0 };
        let (moment, _) = watch::channel(moment);
        Self { moment, questions: Mutex::default(), asked: Condvar::new() }
    }
}

impl Progress {
    /// It is read from now on, and ready once it has come to those ends. `false`: it is read already.
    pub(super) fn begin(&self, ends: &[i64]) -> bool {
        self.moment.send_if_modified(|moment| {
            if moment.standing != Standing::Idle {
                return false;
            }
            moment.ends = ends.into();
            moment.standing = Standing::Loading(Arc::clone(&moment.ends));
            true
        })
    }

    /// It was read so far. Whether it has become ready by that.
    pub(super) fn at(&self, positions: Vec<i64>) -> bool {
        let mut became_ready = false;
        self.moment.send_if_modified(|moment| {
            if let Standing::Loading(goal) = &moment.standing
                && has_passed(&positions, goal)
            {
                moment.standing = Standing::Ready;
                became_ready = true;
            }
            let is_new = moment.positions != positions;
            moment.positions = positions;
            is_new || became_ready
        });
        became_ready
    }

    /// It is not read any more.
    pub(super) fn stop(&self, why: Unready) {
        self.moment.send_modify(|moment| moment.standing = Standing::Stopped(why));
    }

    /// Whether it can be shown.
    pub(crate) fn ready(&self) -> Result<(), Unready> {
        self.moment.borrow().ready()
    }

    /// Whether it can be shown, and offsets yet to be read, as far as is known.
    pub(super) fn told(&self) -> (bool, u64) {
        let moment = self.moment.borrow();
        (moment.ready().is_ok(), left(&moment.positions, &moment.ends))
    }

    /// Tells whenever something has changed.
    pub(crate) fn changes(&self) -> watch::Receiver<Moment> {
        self.moment.subscribe()
    }

    /// Waits until the view has everything that was written before this was called: by whom or whatever, in transactions
    /// that are still open too.
    pub(crate) async fn caught_up(&self) {
        let question = self.ask();
        let mut moments = self.moment.subscribe();
        // Never an error: the sender is ours.
        let ends = moments.wait_for(|moment| moment.answered >= question).await;
        let Ok(ends) = ends.map(|moment| Arc::clone(&moment.ends)) else { return };
        let _ = moments.wait_for(|moment| has_passed(&moment.positions, &ends)).await;
    }

    /// Wants to know where the topic ends, asked from now on; the question's number.
    pub(super) fn ask(&self) -> u64 {
        let mut questions = self.questions.lock();
        questions.wanted = questions.put + 1;
        self.asked.notify_one();
        questions.wanted
    }

    /// Waits until somebody wants to know, for `longest` at most; the number of the question that is put now. `None`: nobody
    /// ever will again.
    pub(super) fn next_question(&self, longest: Duration) -> Option<u64> {
        let mut questions = self.questions.lock();
        let waits = |questions: &mut Questions| questions.wanted <= questions.put && !questions.over;
        self.asked.wait_while_for(&mut questions, waits, longest);
        questions.put += 1;
        (!questions.over).then_some(questions.put)
    }

    /// The answer to that question.
    pub(super) fn answer(&self, question: u64, ends: &[i64]) {
        self.moment.send_modify(|moment| {
            moment.answered = question;
            moment.ends = ends.into();
        });
    }

    /// Nobody asks any more.
    pub(super) fn end(&self) {
        self.questions.lock().over = true;
        self.asked.notify_one();
    }
}

impl Moment {
    fn ready(&self) -> Result<(), Unready> {
        match &self.standing {
            Standing::Ready => Ok(()),
            Standing::Idle => Err(Unready::Loading(0)),
            Standing::Loading(goal) => Err(Unready::Loading(left(&self.positions, goal))),
            Standing::Stopped(why) => Err(why.clone()),
        }
    }
}

fn has_passed(positions: &[i64], ends: &[i64]) -> bool {
    let position = |number| positions.get(number).copied().unwrap_or(0);
    ends.iter().enumerate().all(|(number, end)| position(number) >= *end)
}

fn left(positions: &[i64], ends: &[i64]) -> u64 {
    let position = |number| positions.get(number).copied().unwrap_or(0);
    let left = |(number, end): (usize, &i64)| end.saturating_sub(position(number)).max(0).unsigned_abs();
    ends.iter().enumerate().map(left).sum()
}

#[cfg(test)]
mod tests {
    use std::pin::pin;
    use std::task::{Context, Poll, Waker};

    use super::*;

    const AT_ONCE: Duration = Duration::ZERO;

    fn is_over<F: Future<Output = ()>>(future: std::pin::Pin<&mut F>) -> bool {
        matches!(future.poll(&mut Context::from_waker(Waker::noop())), Poll::Ready(()))
    }

    #[test]
    fn a_view_is_ready_once_it_has_come_to_where_its_topic_ended() {
        let progress = Progress::default();
        assert_eq!(progress.ready(), Err(Unready::Loading(0)));
        assert!(progress.begin(&[3, 0, 5]) && !progress.begin(&[]), "it is read once");
        assert_eq!(progress.ready(), Err(Unready::Loading(8)));
        assert!(!progress.at(vec![3, 0, 4]));
        assert_eq!((progress.ready(), progress.told()), (Err(Unready::Loading(1)), (false, 1)));
        assert!(progress.at(vec![3, 0, 6]) && !progress.at(vec![4, 0, 6]));
        assert_eq!((progress.ready(), progress.told()), (Ok(()), (true, 0)));
        progress.stop(Unready::TooLarge(7));
        assert_eq!(progress.ready(), Err(Unready::TooLarge(7)));
    }

    #[test]
    fn who_waits_waits_for_the_ends_of_a_question_that_was_put_afterwards() {
        let progress = Progress::default();
        progress.begin(&[1]);
        progress.at(vec![1]);
        let early = progress.next_question(AT_ONCE).unwrap();
        let mut waits = pin!(progress.caught_up());
        assert!(!is_over(waits.as_mut()));
        progress.answer(early, &[1]);
        assert!(!is_over(waits.as_mut()), "the question was put before");
        let question = progress.next_question(AT_ONCE).unwrap();
        progress.answer(question, &[4]);
        assert!(!is_over(waits.as_mut()));
        // Later ends are for those who come later.
        progress.answer(progress.next_question(AT_ONCE).unwrap(), &[9]);
        progress.at(vec![3]);
        assert!(!is_over(waits.as_mut()));
        progress.at(vec![4]);
        assert!(is_over(waits.as_mut()));
    }

    #[test]
    fn one_question_answers_all_who_came_before_it() {
        let progress = Progress::default();
        progress.begin(&[]);
        let asked: Vec<_> = (0..3).map(|_| progress.ask()).collect();
        assert_eq!(asked, [1, 1, 1]);
        assert_eq!(progress.next_question(AT_ONCE), Some(1));
        assert_eq!(progress.ask(), 2);
        progress.end();
        assert_eq!(progress.next_question(Duration::from_secs(3_600)), None);
    }

    #[test]
    fn a_partition_that_is_not_read_yet_is_waited_for() {
        assert!(!has_passed(&[5], &[5, 1]) && has_passed(&[5], &[5, 0]));
        assert_eq!(left(&[5], &[7, 2]), 4);
    }
}
