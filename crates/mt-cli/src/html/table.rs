//! A table of a page.

use super::escape;
use crate::report::Grid;

/// A grid as HTML; wide ones scroll inside the page. A row whose first cell is empty goes on with the row above.
pub fn table(grid: &Grid, caption: &str) -> String {
    let cells = |cells: &[String], header: bool| -> String {
        let cell = |(i, text): (usize, &String)| {
            let class = if grid.is_name(i) { " class=\"name\"" } else { "" };
            match (header, i) {
                (true, _) => format!("<th scope=\"col\"{class}>{}</th>", escape(text)),
                (false, 0) => format!("<th scope=\"row\"{class}>{}</th>", escape(text)),
                (false, _) => format!("<td{class}>{}</td>", escape(text)),
            }
        };
        cells.iter().enumerate().map(cell).collect()
    };
    let row = |row: &Vec<String>| {
        let class = if row[0].is_empty() { " class=\"more\"" } else { "" };
        format!("<tr{class}>{}</tr>\n", cells(row, false))
    };
    format!(
        "<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"{0}\">\n<table>\n<caption>{0}</caption>\n\
         <thead><tr>{1}</tr></thead>\n<tbody>\n{2}</tbody>\n</table>\n</div>\n",
        escape(caption),
        cells(&grid.header, true),
        grid.rows.iter().map(row).collect::<String>(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_are_text_and_numbers_are_told_from_names() {
        let mut grid = Grid::new(["model", "AUC"]);
        grid.rows.push(vec!["<b>".into(), "0.5".into()]);
        let html = table(&grid, "a & b");
        assert!(html.contains("<th scope=\"row\" class=\"name\">&lt;b&gt;</th><td>0.5</td>"), "{html}");
        assert!(html.contains("<caption>a &amp; b</caption>"), "{html}");
    }
}
