//! What the people of the demo talk about.

/// Who they are.
pub(super) const PEOPLE: [&str; 24] = [
    "ana.souza",
    "ben.okafor",
    "carla.rossi",
    "david.kim",
    "elena.petrova",
    "farid.haddad",
    "grace.mensah",
    "hugo.laurent",
    "ines.garcia",
    "jonas.weber",
    "kira.novak",
    "liam.murphy",
    "maya.patel",
    "noah.fischer",
    "olga.ivanova",
    "pablo.ruiz",
    "quinn.taylor",
    "rosa.marino",
    "samir.khan",
    "tara.nguyen",
    "umar.diallo",
    "vera.lindqvist",
    "will.chen",
    "yuki.tanaka",
];

/// What their conversations are called.
pub(super) const CONVERSATIONS: [&str; 16] = [
    "weekend-in-lisbon",
    "team-standup",
    "book-club",
    "house-hunting",
    "release-planning",
    "sunday-football",
    "wedding-of-mia",
    "neighbours",
    "band-practice",
    "support-rota",
    "design-review",
    "school-run",
    "ski-trip",
    "lunch",
    "on-call",
    "film-night",
];

/// Messages; `{p}` is a person's first name, `{d}` a day, `{t}` a time, `{w}` a place.
pub(super) const MESSAGES: [&str; 40] = [
    "Morning! Is {d} at {t} still good for everybody?",
    "{t} works for me, but {p} said they might be late.",
    "I booked the table at {w} for {d}, {t}.",
    "Sorry, stuck on the train. Start without me, I'll be there around {t}.",
    "Has anybody seen the notes from {d}? I can't find them.",
    "Just pushed the fix, {p} can you have a look before {t}?",
    "Looks good to me. Two small comments, nothing that should hold it up.",
    "The tickets for {w} are going fast, shall I get six?",
    "Who brings the speaker? Mine is still at {p}'s place.",
    "{p} is on call this week, I take over on {d}.",
    "Great photos! Can you share the one from {w}?",
    "I'd rather meet at {w}, parking is hopeless in the centre.",
    "The alert at {t} was a false alarm, the dashboard had the wrong threshold.",
    "Could we move this to {d}? I have the dentist at {t}.",
    "Done. The invoice went out this morning, {p} has the copy.",
    "Thank you all, that was a lovely evening at {w}.",
    "Reminder: deposits for the trip are due on {d}.",
    "Can somebody pick up the kids at {t}? The meeting drags on.",
    "I read the first hundred pages on the way to {w}, it's wonderful.",
    "No worries, we'll save you a seat.",
    "The customer confirmed {d}. Let's agree on who presents by {t}.",
    "My key doesn't work any more, did we change the lock?",
    "The coach says {d} is cancelled, the pitch is under water.",
    "What was the name of that bakery near {w}?",
    "I think {p} has the charger.",
    "Rollout is at half, error rate unchanged. Continuing at {t}.",
    "Happy birthday {p}! See you at {w} tonight?",
    "We need one more person for the quiz on {d}.",
    "The draft is in the shared folder, comments welcome until {d}.",
    "Dinner's at {t}. I'm making the lemon pasta again.",
    "Flight lands at {t}, I'll take the bus to {w}.",
    "Let's keep it short today, I have to leave at {t}.",
    "Does {d} evening suit you for the rehearsal?",
    "The plumber comes on {d} between {t} and lunch.",
    "I moved the retro to {d}, the room at {w} was free.",
    "Yes!",
    "On my way.",
    "Sounds good, see you on {d}.",
    "Can you send me the address of {w} again?",
    "{p} and I will bring dessert.",
];

/// First names for `{p}`.
pub(super) const NAMES: [&str; 12] =
    ["Ana", "Ben", "Carla", "David", "Elena", "Grace", "Jonas", "Maya", "Olga", "Pablo", "Samir", "Yuki"];

/// For `{d}`.
pub(super) const DAYS: [&str; 9] =
    ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday", "tomorrow", "the 14th"];

/// For `{t}`.
pub(super) const TIMES: [&str; 9] =
    ["8:15", "9:30", "noon", "half past one", "14:45", "four", "17:20", "seven", "20:00"];

/// For `{w}`.
pub(super) const PLACES: [&str; 11] = [
    "Café Central",
    "the old harbour",
    "Alfama",
    "the library",
    "Room 4",
    "the station",
    "Bar Pólvora",
    "the lake",
    "Mia's garden",
    "the climbing hall",
    "Praça da Figueira",
];

/// What an edit adds or puts right.
pub(super) const AFTERTHOUGHTS: [&str; 6] = [
    " (edit: typo)",
    " PS: bring an umbrella!",
    " Edit: confirmed.",
    " Never mind, found it.",
    " (now really)",
    " Update: moved by half an hour.",
];

/// How messages are written.
pub(super) const CLIENTS: [&str; 4] = ["ios", "android", "web", "desktop"];
