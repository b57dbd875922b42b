//! Bringing a blank box into a festival, over any byte stream.
