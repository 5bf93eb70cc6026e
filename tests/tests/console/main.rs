//! The console before the API, over real HTTP, against a store on disk: what each page shows and each form does, and what
//! neither lets through.

mod browser;
mod edits;
mod forms;
mod keys;
mod logs;
mod pages;
mod scope;
mod service;
mod signing_in;
