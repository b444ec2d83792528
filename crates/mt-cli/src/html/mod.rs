//! Pages in one file each: style and charts are inside, nothing is fetched and no script runs.
//!
//! Charts are SVG text made here, by pure functions of their data. A plotting crate would draw on a fixed canvas; what
//! makes a page readable on a phone, in the dark and by a screen reader (text that stays at its size, colours from the
//! style sheet, labels) is what would have to be written around it anyway.

mod chart;
mod table;

pub use chart::{Axis, Effect, LineChart, Points, Series, Shade, forest, heat};
pub use table::table;

/// Keeps the browser from asking for anything, an icon included, whatever a page's text holds.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; img-src data:";

/// A whole page. `body` is HTML, `title` is text.
pub fn page(title: &str, body: &str) -> String {
    format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"{POLICY}\">\n\
         <link rel=\"icon\" href=\"data:,\">\n<title>{}</title>\n<style>\n{}</style>\n</head>\n\
         <body>\n{body}</body>\n</html>\n",
        escape(title),
        include_str!("style.css"),
    )
}

/// A section with a heading; `content` is HTML.
pub fn section(heading: &str, content: &str) -> String {
    format!("<section>\n<h2>{}</h2>\n{content}</section>\n", escape(heading))
}

/// Charts side by side, as many as there is room for.
pub fn charts(charts: &[String]) -> String {
    format!("<div class=\"charts\">\n{}</div>\n", charts.concat())
}

/// Names and values; both are text.
pub fn facts(facts: &[(&str, String)]) -> String {
    let fact = |(name, value): &(&str, String)| {
        format!("<div><dt>{}</dt><dd>{}</dd></div>\n", escape(name), escape(value))
    };
    format!("<dl>\n{}</dl>\n", facts.iter().map(fact).collect::<String>())
}

/// Text that opens at a click; closed at first.
pub fn details(summary: &str, text: &str) -> String {
    format!("<details>\n<summary>{}</summary>\n<pre>{}</pre>\n</details>\n", escape(summary), escape(text))
}

/// Lines of text, one below the other.
pub fn list(lines: &[&str]) -> String {
    let lines: String = lines.iter().map(|line| format!("<li>{}</li>\n", escape(line))).collect();
    format!("<ul>\n{lines}</ul>\n")
}

/// Text as it may stand between tags and in quoted attributes.
pub fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped += "&amp;",
            '<' => escaped += "&lt;",
            '>' => escaped += "&gt;",
            '"' => escaped += "&quot;",
            '\'' => escaped += "&#39;",
            c => escaped.push(c),
        }
    }
    escaped
}

/// A relative link to `path`, each part of which may be any name.
pub fn link(path: &[&str]) -> String {
    let byte = |b: u8| match b {
        b if b.is_ascii_alphanumeric() || b"-_.~".contains(&b) => char::from(b).to_string(),
        b => format!("%{b:02X}"),
    };
    let parts: Vec<String> = path.iter().map(|part| part.bytes().map(byte).collect()).collect();
    parts.join("/")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_text_can_end_the_element_or_the_attribute_it_stands_in() {
        assert_eq!(
            escape("<a href='x' title=\"y\">&"),
            "&lt;a href=&#39;x&#39; title=&quot;y&quot;&gt;&amp;"
        );
        assert!(page("</title><script>", "").contains("<title>&lt;/title&gt;&lt;script&gt;</title>"));
        assert_eq!(details("<", ">"), "<details>\n<summary>&lt;</summary>\n<pre>&gt;</pre>\n</details>\n");
    }

    #[test]
    fn a_link_reaches_folders_of_any_name() {
        assert_eq!(link(&["a b", "ü?#", "report.html"]), "a%20b/%C3%BC%3F%23/report.html");
    }
}
