//! Lists whose members leave them without being looked for, at once: what has ended would otherwise keep its memory until
//! somebody goes through the list, and new members would never get one that is still in the processor's cache.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

/// Where a member stands in a list, if it does.
#[derive(Debug, Default)]
pub(super) struct Place(Cell<Option<usize>>);

/// Members in no particular order, each once.
pub(super) struct Roll<T> {
    members: RefCell<Vec<Rc<T>>>,
    place: fn(&T) -> &Place,
}

impl<T> Roll<T> {
    /// With nobody in it; members know their places by `place`, which belongs to this list alone.
    pub(super) fn new(place: fn(&T) -> &Place) -> Self {
        Self { members: RefCell::default(), place }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.members.borrow().is_empty()
    }

    /// Has no effect on who is in it already.
    pub(super) fn join(&self, member: &Rc<T>) {
        let place = &(self.place)(member).0;
        if place.get().is_none() {
            let mut members = self.members.borrow_mut();
            place.set(Some(members.len()));
            members.push(Rc::clone(member));
        }
    }

    /// Has no effect on who is not in it.
    pub(super) fn leave(&self, member: &T) {
        if let Some(place) = (self.place)(member).0.get() {
            self.strike(&mut self.members.borrow_mut(), place);
        }
    }

    /// Shows each to `look`. Nobody may join or leave meanwhile.
    pub(super) fn each(&self, mut look: impl FnMut(&T)) {
        self.members.borrow().iter().for_each(|member| look(member));
    }

    /// Goes through the list, and lets those go that need not stay. Nobody may join or leave meanwhile.
    pub(super) fn retain(&self, mut stays: impl FnMut(&T) -> bool) {
        let mut members = self.members.borrow_mut();
        let mut place = 0;
        while let Some(member) = members.get(place) {
            if stays(member) {
                place += 1;
            } else {
                self.strike(&mut members, place);
            }
        }
    }

    /// The last one takes the place of who leaves.
    fn strike(&self, members: &mut Vec<Rc<T>>, place: usize) {
        if place >= members.len() {
            return;
        }
        let gone = members.swap_remove(place);
        (self.place)(&gone).0.set(None);
        if let Some(moved) = members.get(place) {
            (self.place)(moved).0.set(Some(place));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    #[derive(Default)]
    struct Member {
        name: usize,
        place: Place,
        other_place: Place,
    }

    fn member(name: usize) -> Rc<Member> {
        Rc::new(Member { name, ..Member::default() })
    }

    fn names(roll: &Roll<Member>) -> BTreeSet<usize> {
        let mut names = Vec::new();
        roll.each(|member| names.push(member.name));
        let all = names.iter().copied().collect::<BTreeSet<_>>();
        assert_eq!(all.len(), names.len(), "each once");
        all
    }

    #[test]
    fn who_leaves_is_kept_no_longer() {
        let roll = Roll::new(|member: &Member| &member.place);
        let members = [member(0), member(1), member(2)];
        members.iter().for_each(|member| roll.join(member));
        roll.leave(&members[0]);
        assert_eq!(members.each_ref().map(Rc::strong_count), [1, 2, 2]);
        roll.leave(&members[0]);
        roll.retain(|member| member.name != 1);
        assert_eq!(members.each_ref().map(Rc::strong_count), [1, 1, 2]);
    }

    #[test]
    fn two_lists_know_nothing_of_each_other() {
        let one = Roll::new(|member: &Member| &member.place);
        let other = Roll::new(|member: &Member| &member.other_place);
        let members = [member(0), member(1)];
        members.iter().for_each(|member| one.join(member));
        other.join(&members[1]);
        one.leave(&members[1]);
        assert_eq!((names(&one), names(&other)), ([0].into(), [1].into()));
    }

    proptest! {
        #[test]
        fn it_holds_who_joined_and_did_not_leave(steps in prop::collection::vec((0..8_usize, 0..3), 0..80)) {
            let members: Vec<_> = (0..8).map(member).collect();
            let roll = Roll::new(|member: &Member| &member.place);
            let mut expected = BTreeSet::new();
            for (name, step) in steps {
                match step {
                    0 => {
                        roll.join(&members[name]);
                        expected.insert(name);
                    }
                    1 => {
                        roll.leave(&members[name]);
                        expected.remove(&name);
                    }
                    _ => {
                        roll.retain(|member| member.name % 3 != name % 3);
                        expected.retain(|one| one % 3 != name % 3);
                    }
                }
                prop_assert_eq!(names(&roll), expected.clone());
                prop_assert_eq!(roll.is_empty(), expected.is_empty());
            }
        }
    }
}
