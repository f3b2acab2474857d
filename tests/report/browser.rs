//! How the pages of `report` look in a browser.

use super::pages;
use std::fs;
use std::path::Path;
use std::process::Command;
use xtask::tools;

/// Widths that pages are looked at in: a phone, half of a screen and all.
const WIDTHS: [u32; 3] = [400, 1000, 1600];

/// Looks at each page in a frame of that width and says what it sees, in
/// lines of plain words.
const LOOK: &str = r##"
const said = [];
function contrast(one, two) {
  const light = c => {
    const [r, g, b] = c.match(/[\d.]+/g).map(Number).map(v => v / 255)
      .map(v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const [a, b] = [light(one), light(two)];
  return (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
}
function look(frame) {
  const doc = frame.contentDocument, root = doc.documentElement;
  const all = q => [...doc.querySelectorAll(q)];
  const style = e => frame.contentWindow.getComputedStyle(e);
  const paper = style(doc.body).backgroundColor;
  const say = (what, value) => said.push(frame.name + " " + what + " " + value);
  say("over", root.scrollWidth - root.clientWidth);
  say("foreign", all("script, img, iframe, object, link, base, form").length);
  say("headless", all("table").filter(t => !t.tHead || !t.caption
    || [...t.tHead.rows[0].cells].some(c => c.tagName != "TH")).length);
  say("untitled", all("svg.plot").filter(s =>
    !doc.getElementById(s.getAttribute("aria-labelledby"))).length);
  const ids = all("[id]").map(e => e.id);
  say("twins", ids.length - new Set(ids).size);
  say("dangling", all("a[href^='#']").filter(a =>
    !doc.getElementById(a.getAttribute("href").slice(1))).length);
  const texts = all("body *").filter(e => [...e.childNodes].some(n =>
    n.nodeType == 3 && n.data.trim()) && e.tagName != "title");
  const ink = e => e.namespaceURI.endsWith("svg")
    ? style(e).fill : style(e).color;
  say("faint", texts.filter(e => contrast(ink(e), paper) < 4.5).length);
  say("dim", all(".line").filter(e =>
    contrast(style(e).stroke, paper) < 3).length);
  say("empty", all("section").filter(s =>
    s.getBoundingClientRect().height < 20).length);
  // What is folded has no height.
  say("plots", all("svg.plot").filter(s =>
    s.getBoundingClientRect().height > 100
    || s.closest("details:not([open])")).length);
  say("paper", contrast(paper, "rgb(0,0,0)") > 10 ? "light" : "dark");
  say("sections", all("section").map(s => s.id).join(","));
  const wide = all(".wide").filter(w => w.scrollWidth > w.clientWidth);
  say("cut", wide.filter(w => style(w).overflowX != "auto").length);
}
onload = () => {
  [...document.querySelectorAll("iframe")].forEach(look);
  document.body.innerText = "SEEN\n" + said.join("\n") + "\nEND";
};
"##;

/// What a browser sees in all pages.
fn look(dir: &Path, dark: bool) -> Vec<String> {
    let Some(browser) = tools::browser() else {
        panic!("no browser; `cargo xtask setup` installs one");
    };
    let mut frames = String::new();
    for (name, _) in pages() {
        for width in WIDTHS {
            frames += &format!(
                "<iframe name={name}-{width} src={name}.html \
                 style='width:{width}px;height:800px;border:0'></iframe>\n"
            );
        }
    }
    let looking = format!(
        "<!doctype html><meta charset=utf-8>{frames}<script>{LOOK}</script>"
    );
    fs::write(dir.join("look.html"), looking).unwrap();
    let mut command = Command::new(browser);
    // The pages are ours, and the sandbox refuses root. What a page of a
    // file may see of another is meant to be nothing otherwise.
    command.args(["--headless=new", "--no-sandbox", "--disable-gpu"]);
    command.args(["--disable-dev-shm-usage", "--enable-logging=stderr"]);
    command.arg("--allow-file-access-from-files");
    command.arg(format!("--user-data-dir={}", dir.join("user").display()));
    if dark {
        command.arg("--blink-settings=preferredColorScheme=0");
    }
    command.args(["--window-size=1300,900", "--dump-dom"]);
    command.arg(format!("file://{}", dir.join("look.html").display()));
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    let console: Vec<&str> = said
        .lines()
        .filter(|line| line.contains(":CONSOLE"))
        .collect();
    assert!(console.is_empty(), "{console:?}");
    let dom = String::from_utf8_lossy(&output.stdout).replace("<br>", "\n");
    let seen = dom
        .split_once("SEEN\n")
        .and_then(|(_, s)| s.split_once("\nEND"));
    let (seen, _) = seen.unwrap_or_else(|| panic!("{dom}\n{said}"));
    seen.lines().map(str::to_owned).collect()
}

/// In a real browser, narrow and wide, light and dark: nothing is wider than
/// the screen, everything is there and can be read, and nothing is fetched
/// or run.
#[test]
fn a_browser_shows_every_page_whole() {
    let dir = tempfile::tempdir().unwrap();
    let pages = pages();
    for (name, page) in &pages {
        let file = dir.path().join(name).with_extension("html");
        fs::write(file, page).unwrap();
    }
    for (dark, paper) in [(false, "light"), (true, "dark")] {
        let seen = look(dir.path(), dark);
        let mut wrong = Vec::new();
        for (name, page) in &pages {
            let sections: Vec<&str> = page
                .split("<section id=\"")
                .skip(1)
                .filter_map(|rest| rest.split('"').next())
                .collect();
            let plots = page.matches("class=\"plot\"").count();
            for width in WIDTHS {
                let place = format!("{name}-{width}");
                let mut wanted: Vec<String> = [
                    "over", "foreign", "headless", "untitled", "twins",
                    "dangling", "faint", "dim", "empty", "cut",
                ]
                .map(|what| format!("{place} {what} 0"))
                .into();
                wanted.push(format!("{place} plots {plots}"));
                wanted.push(format!("{place} paper {paper}"));
                let ids = sections.join(",");
                wanted.push(format!("{place} sections {ids}"));
                wrong.extend(
                    wanted.into_iter().filter(|line| !seen.contains(line)),
                );
            }
        }
        assert!(wrong.is_empty(), "not so:\n{wrong:#?}\nbut\n{seen:#?}");
    }
}
