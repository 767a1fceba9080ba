// Boxes on an image, by mouse and by keys. Sides are shares of the width and the height of the image, from 0 to 1.
"use strict";

window.boxesOf = function boxesOf(live) {
  const group = live.querySelector("[data-boxes]");
  const image = live.querySelector("[data-image]");
  const field = document.getElementById("marks-json");
  const list = document.getElementById("marks");
  if (!group || !image || !field) return null;
  const NAMESPACE = "http://www.w3.org/2000/svg";
  const STEP = 0.01; // of the image; with Alt a fifth of it
  const SMALLEST = 0.005;
  const FIRST = { x: 0.4, y: 0.4, width: 0.2, height: 0.2 };
  const buttons = [...group.querySelectorAll("[data-mark]")];
  const drawing = document.createElementNS(NAMESPACE, "svg");
  drawing.setAttribute("viewBox", "0 0 1 1");
  drawing.setAttribute("preserveAspectRatio", "none");
  drawing.setAttribute("aria-hidden", "true");
  image.append(drawing);
  field.closest("p").hidden = true;
  let boxes = read();
  let chosen = -1;
  let label = buttons[0]?.value || "";
  let began = null; // where the mouse was pressed
  let draft = null;

  function read() {
    try {
      const stored = JSON.parse(field.value || "[]");
      return Array.isArray(stored) ? stored.filter((each) => each.width > 0 && each.height > 0) : [];
    } catch {
      return [];
    }
  }

  const rounded = (value) => Math.round(value * 1e6) / 1e6;
  const within = (value, low, high) => Math.min(Math.max(value, low), high);
  const colour = (box) => buttons.find((each) => each.value === box.label)?.dataset.mark || "0";
  const percent = (value) => Math.round(value * 100);
  const words = (box) =>
    `${box.label}: ${percent(box.x)} % from the left, ${percent(box.y)} % from the top, ${percent(box.width)} % wide, ${percent(box.height)} % high`;

  function write() {
    field.value = JSON.stringify(
      boxes.map((box) => ({
        x: rounded(box.x),
        y: rounded(box.y),
        width: rounded(box.width),
        height: rounded(box.height),
        label: box.label,
      })),
    );
    draw();
  }

  function rectangle(box, place) {
    const shape = document.createElementNS(NAMESPACE, "rect");
    for (const side of ["x", "y", "width", "height"]) shape.setAttribute(side, box[side]);
    shape.setAttribute("class", `box s${colour(box)}${place === chosen ? " chosen" : ""}`);
    if (place >= 0) shape.dataset.place = place;
    return shape;
  }

  function draw() {
    drawing.replaceChildren(...boxes.map(rectangle), ...(draft ? [rectangle(draft, -2)] : []));
    list.replaceChildren(...boxes.map(row));
  }

  function row(box, place) {
    const item = document.createElement("li");
    const shown = document.createElement("span");
    shown.textContent = words(box);
    const choose = button("choose", `Choose box ${place + 1}, ${words(box)}`, () => choosing(place));
    choose.setAttribute("aria-pressed", String(place === chosen));
    item.append(shown, choose, button("remove", `Remove box ${place + 1}, ${words(box)}`, () => drop(place)));
    return item;
  }

  function button(text, name, act) {
    const element = document.createElement("button");
    element.type = "button";
    element.className = "quiet";
    element.textContent = text;
    element.setAttribute("aria-label", name);
    element.addEventListener("click", act);
    return element;
  }

  function choosing(place) {
    chosen = place;
    draw();
    announce(`Chosen: box ${place + 1}, ${words(boxes[place])}`);
    image.focus({ preventScroll: true });
  }

  function add(box) {
    boxes.push(box);
    chosen = boxes.length - 1;
    write();
    announce(`Box ${boxes.length}, ${words(box)}`);
  }

  function drop(place) {
    const [gone] = boxes.splice(place, 1);
    chosen = boxes.length - 1;
    write();
    announce(`Removed: ${words(gone)}`);
    image.focus({ preventScroll: true });
  }

  // A label draws the next boxes; by keys it also sets one in the middle, which arrows move.
  buttons.forEach((each) => {
    each.setAttribute("aria-pressed", String(each.value === label));
    each.addEventListener("click", (event) => {
      label = each.value;
      buttons.forEach((other) => other.setAttribute("aria-pressed", String(other === each)));
      if (event.detail) return; // by mouse: the box is drawn on the image
      add({ ...FIRST, label });
      image.focus({ preventScroll: true });
    });
  });

  function point(event) {
    const area = drawing.getBoundingClientRect();
    return [
      within((event.clientX - area.left) / area.width, 0, 1),
      within((event.clientY - area.top) / area.height, 0, 1),
    ];
  }

  drawing.addEventListener("pointerdown", (event) => {
    if (event.button) return;
    event.preventDefault();
    drawing.setPointerCapture(event.pointerId);
    began = point(event);
  });
  drawing.addEventListener("pointermove", (event) => {
    if (!began) return;
    const [x, y] = point(event);
    draft = {
      x: Math.min(began[0], x),
      y: Math.min(began[1], y),
      width: Math.abs(x - began[0]),
      height: Math.abs(y - began[1]),
      label,
    };
    draw();
  });
  drawing.addEventListener("pointerup", (event) => {
    const drawn = draft;
    const start = began;
    draft = began = null;
    if (drawn && drawn.width >= SMALLEST && drawn.height >= SMALLEST) add(drawn);
    else if (start) choose(start);
    image.focus({ preventScroll: true });
    event.preventDefault();
  });
  drawing.addEventListener("pointercancel", () => {
    draft = began = null;
    draw();
  });

  // The smallest box under a place.
  function choose([x, y]) {
    const under = boxes
      .map((box, place) => [box.width * box.height, place])
      .filter(([, place]) => {
        const box = boxes[place];
        return box.x <= x && x <= box.x + box.width && box.y <= y && y <= box.y + box.height;
      })
      .sort((a, b) => a[0] - b[0]);
    if (under.length) choosing(under[0][1]);
    else draw();
  }

  function change(box, [right, down], resizes) {
    if (resizes) {
      box.width = within(box.width + right, SMALLEST, 1 - box.x);
      box.height = within(box.height + down, SMALLEST, 1 - box.y);
    } else {
      box.x = within(box.x + right, 0, 1 - box.width);
      box.y = within(box.y + down, 0, 1 - box.height);
    }
    write();
    announce(words(box));
  }

  const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
  draw();
  return {
    key(event) {
      const box = boxes[chosen];
      const arrow = ARROWS[event.key];
      if (arrow && event.target === image) {
        const step = event.altKey ? STEP / 5 : STEP;
        if (box) change(box, arrow.map((each) => each * step), event.shiftKey);
        return true;
      }
      if (event.key === "n" && boxes.length && !event.altKey) {
        choosing((chosen + 1) % boxes.length);
        return true;
      }
      if (event.key === "l" && box && !event.altKey) {
        const place = buttons.findIndex((each) => each.value === box.label);
        box.label = buttons[(place + 1) % buttons.length].value;
        write();
        announce(words(box));
        return true;
      }
      if (event.key !== "Backspace" && event.key !== "Delete") return false;
      if (box) drop(chosen);
      return true;
    },
  };
};
