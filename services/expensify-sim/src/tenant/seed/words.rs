//! Words for the seeded tenant. Some are awkward on purpose: quotes, markup, accents, colons and an emoji must survive.

/// First and last names; the first three are managers.
pub(super) const PEOPLE: [(&str, &str); 14] = [
    ("Lee", "Okafor"),
    ("Maria", "Lindqvist"),
    ("Noor", "Haddad"),
    ("Sam", "Rivera"),
    ("Ana", "Kovač"),
    ("Bruno", "D'Amico"),
    ("Chloé", "Martin"),
    ("Dev", "Patel"),
    ("Erin", "O'Neil"),
    ("Femi", "Adeyemi"),
    ("Goran", "Šimić"),
    ("Hana", "Sato"),
    ("Ivo", "Nowak"),
    ("June", "Park"),
];

/// Titles of reports.
pub(crate) const TITLES: [&str; 14] = [
    "Lyon visit",
    "Q2 offsite",
    "Client dinner \"Nord\"",
    "R&D supplies <batch 4>",
    "Conference, Berlin",
    "Site survey",
    "Training: week 12",
    "Café & Croissants",
    "Trade fair 🚆",
    "Back\\slash parts",
    "Installation O'Hare",
    "Month end",
    "Tools\tand spares",
    "Recruiting trip",
];

/// Merchants.
pub(super) const MERCHANTS: [&str; 14] = [
    "Northside Cab",
    "Gare Hotel",
    "Blue Bottle & Co",
    "SNCF",
    "Paper \"Plus\"",
    "Café de l'Étoile",
    "Delta Air Lines",
    "Hertz",
    "Office Depot",
    "Metro Parking",
    "Bauhaus <Mitte>",
    "O'Reilly Books",
    "寿司 Ginza",
    "Shell",
];

/// Categories of policies and their general ledger codes.
pub(super) const CATEGORIES: [(&str, &str); 8] = [
    ("Meals", "6100"),
    ("Lodging", "6110"),
    ("Travel", "6120"),
    ("Supplies", "6200"),
    ("Training & Books", "6300"),
    ("Software", "6310"),
    ("Car Rental", "6130"),
    ("Entertainment", "6150"),
];

/// Tags of policies and their codes.
pub(super) const DEPARTMENTS: [(&str, &str); 5] =
    [("Ops", "10"), ("Eng", "20"), ("Sales", "30"), ("Legal", "40"), ("R&D", "50")];

/// A second level of tags; one holds a colon, which an expense's tag text writes as `\:`.
pub(super) const SITES: [(&str, &str); 4] =
    [("Lyon", "L1"), ("Berlin: Mitte", "B1"), ("Austin", "A1"), ("Osaka", "O1")];

/// Comments of expenses.
pub(super) const COMMENTS: [&str; 8] = [
    "",
    "offsite",
    "with the \"Nord\" team",
    "line one\nline two",
    "50 % shared & settled",
    "<see receipt>",
    "naïve résumé",
    "room 12\\B",
];

/// Names of policies.
pub(super) const POLICIES: [&str; 6] =
    ["Field Ops", "France", "Research & Labs", "Sales \"North\"", "Executive", "Support"];
