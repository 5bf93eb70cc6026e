//! Client of Expensify's Integration Server: typed jobs, our export template, classification of answers.
