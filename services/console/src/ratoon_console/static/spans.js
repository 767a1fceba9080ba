// Marks in a text, by mouse and by keys. Offsets of answers count Unicode code points, those of the browser UTF-16
// units. What is marked is a whole number of characters as people see them, in any script.
"use strict";

window.spansOf = function spansOf(box) {
  const group = box.querySelector("[data-spans]");
  const text = document.getElementById("text");
  const field = document.getElementById("marks-json");
  const list = document.getElementById("marks");
  if (!group || !text || !field) return null;
  const whole = text.textContent;
  const overlaps = "overlap" in group.dataset;
  const buttons = [...group.querySelectorAll("[data-mark]")];
  const letters = [...new Intl.Segmenter(undefined, { granularity: "grapheme" }).segment(whole)].map((each) => each.index);
  const words = [...new Intl.Segmenter(undefined, { granularity: "word" }).segment(whole)]
    .filter((each) => each.isWordLike)
    .map((each) => [each.index, each.index + each.segment.length]);
  letters.push(whole.length);
  let marks = read();
  let chosen = null; // [start, end] in UTF-16 units
  field.closest("p").hidden = true;

  const points = (units) => [...whole.slice(0, units)].length;
  const units = (count) => [...whole].slice(0, count).join("").length;

  function read() {
    try {
      const found = JSON.parse(field.value || "[]");
      return Array.isArray(found) ? found.filter((each) => each.end > each.start) : [];
    } catch {
      return [];
    }
  }

  function write() {
    marks.sort((a, b) => a.start - b.start || b.end - a.end);
    field.value = JSON.stringify(marks.map(({ start, end, label }) => ({ start, end, label })));
    draw();
  }

  // The text stays one run of characters: labels are shown by the style sheet.
  function draw() {
    const found = marks.map((mark) => ({ ...mark, from: units(mark.start), to: units(mark.end) }));
    const cuts = [...new Set([0, whole.length, ...found.flatMap((each) => [each.from, each.to])])].sort((a, b) => a - b);
    const parts = cuts.slice(0, -1).map((from, place) => {
      const piece = whole.slice(from, cuts[place + 1]);
      const here = found.filter((each) => each.from <= from && each.to >= cuts[place + 1]);
      if (!here.length) return document.createTextNode(piece);
      const mark = document.createElement("mark");
      const inner = document.createElement("span");
      inner.textContent = piece;
      mark.append(inner);
      mark.className = `s${colour(here.at(-1).label)}`;
      const ends = here.filter((each) => each.to === cuts[place + 1]);
      if (ends.length) mark.dataset.label = ends.map((each) => each.label).join(" ");
      return mark;
    });
    text.replaceChildren(...parts);
    list.replaceChildren(...found.map(row));
    if (chosen) select(chosen, false);
  }

  const colour = (label) => buttons.find((each) => each.value === label)?.dataset.mark || "0";

  function row(mark, place) {
    const item = document.createElement("li");
    const shown = document.createElement("span");
    shown.dir = "auto";
    shown.textContent = whole.slice(mark.from, mark.to);
    const label = document.createElement("b");
    label.textContent = mark.label;
    const remove = document.createElement("button");
    remove.type = "button";
    remove.className = "quiet";
    remove.textContent = "remove";
    remove.setAttribute("aria-label", `Remove ${mark.label}: ${shown.textContent}`);
    remove.addEventListener("click", () => drop(place));
    item.append(shown, label, remove);
    return item;
  }

  function drop(place) {
    const [gone] = marks.splice(place, 1);
    write();
    announce(`${gone.label} removed.`);
    text.focus({ preventScroll: true });
  }

  // Where a place of the document is in the text.
  function offset(node, place) {
    const range = document.createRange();
    range.setStart(text, 0);
    range.setEnd(node, place);
    return range.toString().length;
  }

  function place(units) {
    const walker = document.createTreeWalker(text, NodeFilter.SHOW_TEXT);
    let left = units;
    for (let node = walker.nextNode(); node; node = walker.nextNode()) {
      if (left <= node.length) return [node, left];
      left -= node.length;
    }
    return [text, text.childNodes.length];
  }

  // The selection without white space around it, from the beginning to the end of characters.
  function trimmed([from, to]) {
    let start = letters.findLast((each) => each <= from) ?? 0;
    let end = letters.find((each) => each >= to) ?? whole.length;
    while (start < end && /\s/u.test(whole[start])) start += 1;
    while (end > start && /\s/u.test(whole[end - 1])) end -= 1;
    return start < end ? [start, end] : null;
  }

  function selected() {
    const selection = document.getSelection();
    if (!selection.rangeCount || selection.isCollapsed || !text.contains(selection.anchorNode) || !text.contains(selection.focusNode)) return chosen;
    const ends = [offset(selection.anchorNode, selection.anchorOffset), offset(selection.focusNode, selection.focusOffset)];
    return trimmed(ends.sort((a, b) => a - b));
  }

  function select(span, speak = true) {
    chosen = span;
    const [from, to] = [place(span[0]), place(span[1])];
    document.getSelection().setBaseAndExtent(...from, ...to);
    from[0].parentElement?.scrollIntoView?.({ block: "nearest" });
    if (speak) announce(`Selected: ${whole.slice(...span)}`);
  }

  function add(label) {
    const span = selected();
    if (!span) return announce("Select words in the text first.");
    const mark = { start: points(span[0]), end: points(span[1]), label };
    const same = marks.find((each) => each.start === mark.start && each.end === mark.end);
    if (same && !overlaps) same.label = label;
    else if (same && same.label === label) return announce("These words have this mark.");
    else if (!overlaps && marks.some((each) => each.start < mark.end && mark.start < each.end))
      return notify("Marks of this guideline may not share characters. Remove the other one first.");
    else marks.push(mark);
    chosen = span;
    document.getElementById("notice").replaceChildren();
    write();
    announce(`${whole.slice(...span)}: ${label}`);
  }

  buttons.forEach((each) => {
    each.addEventListener("mousedown", (event) => event.preventDefault()); // the selection stays
    each.addEventListener("click", () => add(each.value));
  });
  text.addEventListener("mouseup", () => {
    chosen = null;
    chosen = selected();
  });

  function move(ahead, extends_, byLetter) {
    const span = selected();
    if (!span && !extends_ && !byLetter && words.length) return select(words[0]); // by either arrow
    const [from, to] = span || [0, 0];
    if (byLetter) {
      const next = ahead ? letters.find((each) => each > to) : letters.findLast((each) => each < to);
      if (next === undefined) return;
      if (extends_) return next > from && select([from, next]);
      const start = letters.findLast((each) => each < next) ?? 0;
      return select([start, next]);
    }
    if (extends_) {
      const end = ahead ? words.find((each) => each[1] > to)?.[1] : words.findLast((each) => each[1] < to && each[1] > from)?.[1];
      return end && select([from, end]);
    }
    const word = ahead ? words.find((each) => each[0] >= to && each[1] > to) : words.findLast((each) => each[1] <= from);
    if (word) select(word);
  }

  draw();
  return {
    key(event) {
      const arrow = { ArrowRight: true, ArrowLeft: false }[event.key];
      if (arrow !== undefined && event.target === text) {
        const ahead = getComputedStyle(text).direction === "rtl" ? !arrow : arrow;
        move(ahead, event.shiftKey, event.altKey);
        return true;
      }
      if (event.key !== "Backspace" && event.key !== "Delete") return false;
      const span = selected();
      const [from, to] = span ? span.map(points) : [0, 0];
      const place = span ? marks.findIndex((each) => each.start < to && from < each.end) : marks.length - 1;
      if (place >= 0) drop(place);
      return true;
    },
  };
};
