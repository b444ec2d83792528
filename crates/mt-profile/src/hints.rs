//! What the name of a column says about it. Names decide only where the values leave it open.

/// The words of a name, in small letters: `userId`, `user_id` and `User ID` are `user`, `id`.
fn words(name: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut small = false;
    for c in name.chars() {
        if !c.is_alphanumeric() || (c.is_uppercase() && small) {
            words.push(String::new());
        }
        small = c.is_lowercase();
        if let (true, Some(word)) = (c.is_alphanumeric(), words.last_mut()) {
            word.extend(c.to_lowercase());
        }
    }
    words.retain(|word| !word.is_empty());
    words
}

/// Whose identifiers are written in one word with `id`.
const OWNERS: [&str; 19] = [
    "user", "u", "item", "i", "video", "v", "ad", "author", "movie", "product", "p", "shop", "store",
    "session", "query", "campaign", "creative", "customer", "member",
];

/// Whether it names an identifier: its numbers are not more or less of anything.
pub(crate) fn is_identifier(name: &str) -> bool {
    const LAST: [&str; 12] =
        ["id", "ids", "uuid", "guid", "code", "key", "hash", "zip", "zipcode", "postcode", "sku", "isbn"];
    let words = words(name);
    let joined = |word: &String| word.strip_suffix("id").is_some_and(|owner| OWNERS.contains(&owner));
    words.last().is_some_and(|last| LAST.contains(&last.as_str()) || joined(last))
}

/// Whether it names a category: its few numbers are not more or less of anything.
pub(crate) fn is_category(name: &str) -> bool {
    const WORDS: [&str; 14] = [
        "cat", "category", "type", "kind", "class", "tab", "page", "channel", "hour", "weekday", "gender",
        "sex", "os", "device",
    ];
    words(name).iter().any(|word| WORDS.contains(&word.as_str()))
}

/// Whether it names a time.
pub(crate) fn is_time(name: &str) -> bool {
    const WORDS: [&str; 12] = [
        "time",
        "timestamp",
        "ts",
        "date",
        "datetime",
        "dt",
        "day",
        "at",
        "created",
        "updated",
        "when",
        "ds",
    ];
    let joined =
        |word: &String| word.ends_with("time") || word.ends_with("timestamp") || word.ends_with("date");
    words(name).iter().any(|word| WORDS.contains(&word.as_str()) || joined(word))
}

/// How well a column's name fits what rows are grouped by, the best 0: users first, then what one user sees at once.
pub(crate) fn group(name: &str) -> Option<usize> {
    const GROUPS: [&[&str]; 6] = [
        &["user", "uid", "userid"],
        &["member", "customer", "visitor", "account", "memberid", "customerid"],
        &["query", "queryid", "qid", "search"],
        &["session", "sessionid"],
        &["request", "requestid", "impression"],
        &["device", "deviceid"],
    ];
    let words = words(name);
    let identifies = is_identifier(name) || matches!(&words[..], [word] if word == "uid" || word == "qid");
    // Of several words, the first: `user_id`, not `tag_of_user_id`.
    let first = words.first().filter(|_| identifies && words.len() <= 2)?;
    GROUPS.iter().position(|group| group.contains(&first.as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_hint_at_what_they_mean() {
        for name in ["user_id", "userId", "UserID", "uid", "itemid", "zip", "product.code"] {
            assert!(is_identifier(name), "{name}");
        }
        for name in ["paid", "bid", "valid", "grid", "age", "id_count", "watch_time"] {
            assert!(!is_identifier(name), "{name}");
        }
        for name in ["event_time", "ts", "created_at", "eventTimestamp", "dt", "play_date"] {
            assert!(is_time(name), "{name}");
        }
        for name in ["times", "timeout_ms", "daytona", "rate"] {
            assert!(!is_time(name), "{name}");
        }
        assert_eq!(
            [group("user_id"), group("qid"), group("sessionId"), group("item_id")],
            [Some(0), Some(2), Some(3), None]
        );
    }
}
