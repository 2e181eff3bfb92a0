// The report's script: the theme, crisp tiny pictures, and the map. Everything but the map works without it.
"use strict";
window.alike = (() => {
  const root = document.documentElement;
  const one = (selector, within = document) => within.querySelector(selector);
  const all = (selector, within = document) => [...within.querySelectorAll(selector)];

  // ---- theme: as the system has it, until the reader chooses
  const remembered = (value) => {
    try {
      return value ? localStorage.setItem("alike-theme", value) : localStorage.getItem("alike-theme");
    } catch {
      return null; // storage may be closed to local files
    }
  };
  const asked = remembered();
  if (asked) root.dataset.theme = asked;
  const isDark = () => (root.dataset.theme ?? (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light")) === "dark";

  // ---- colours of clusters and classes: hues far apart first, then the same in other lightness
  const colour = (i) => `oklch(${[0.66, 0.52, 0.8][Math.floor(i / 12) % 3]} 0.15 ${(250 + i * 210) % 360})`;
  const GREY = "#8b8d93";

  // Pictures of few pixels show them.
  const crisp = ({ target }) => {
    if (target.tagName === "IMG") target.classList.toggle("tiny", target.naturalWidth <= 64 && target.naturalHeight <= 64);
  };
  document.addEventListener("load", crisp, true);

  document.addEventListener("DOMContentLoaded", () => {
    const button = one("#theme");
    const show = () => {
      button.textContent = isDark() ? "Light" : "Dark";
      button.setAttribute("aria-label", `Use ${isDark() ? "light" : "dark"} colours`);
    };
    button.hidden = false;
    button.addEventListener("click", () => {
      root.dataset.theme = isDark() ? "light" : "dark";
      remembered(root.dataset.theme);
      show();
    });
    show();
    for (const mark of all("[data-cluster]")) mark.style.setProperty("--cluster", colour(Number(mark.dataset.cluster)));
    if (one(".kin")) kin(one(".kin"));
  });

  // ---- kin: of a node that is pointed at, what it is joined to stands out
  const kin = (graph) => {
    const edges = all("line", graph).map((line) => ({ line, ends: line.dataset.ends.split(" ") }));
    const light = (node) => {
      const lit = new Set([node]);
      for (const { line, ends } of edges) {
        line.classList.toggle("on", ends.includes(node));
        if (ends.includes(node)) ends.forEach((end) => lit.add(end));
      }
      for (const link of all("a", graph)) link.classList.toggle("on", lit.has(link.dataset.node));
      graph.classList.toggle("lit", node !== undefined);
    };
    for (const type of ["pointerover", "focusin"]) {
      graph.addEventListener(type, ({ target }) => light(target.closest("a")?.dataset.node));
    }
    for (const type of ["pointerleave", "focusout"]) graph.addEventListener(type, () => light());
  };

  // ---- map
  const chunks = new Map(); // number -> rows of [id, thumbnail, page], or null while they are on their way
  let arrived = () => {}, overlayArrived = () => {};

  // Scripts, since a page opened from disk may not fetch.
  const load = (name) => document.head.append(Object.assign(document.createElement("script"), { src: `report/${name}.js` }));
  const rowOf = (point, size) => {
    const number = Math.floor(point / size);
    if (!chunks.has(number)) {
      chunks.set(number, null);
      load(`points-${number}`);
    }
    return chunks.get(number)?.[point % size];
  };

  // Points by colour, so that each colour is set once a frame: the order to draw in, and where each colour starts.
  const byColour = (of, n) => {
    const starts = new Uint32Array(n + 1);
    for (const c of of) starts[c + 1]++;
    for (let c = 0; c < n; c++) starts[c + 1] += starts[c];
    const next = starts.slice(0, n);
    const order = new Uint32Array(of.length);
    of.forEach((c, point) => { order[next[c]++] = point; });
    return { of, order, starts };
  };

  // A step that reaches each of n places once, far apart one after the other.
  const coprime = (n) => {
    const divisor = (a, b) => (b === 0 ? a : divisor(b, a % b));
    let step = Math.max(1, Math.round(n * 0.618));
    while (divisor(step, n) > 1) step++;
    return step;
  };

  // CSS colours as the canvas stores them: 0xAABBGGRR on every machine that browsers run on.
  const inks = (colours) => {
    const pen = Object.assign(document.createElement("canvas"), { width: 1, height: 1 }).getContext("2d", { willReadFrequently: true });
    return colours.map((css) => {
      pen.fillStyle = css;
      pen.fillRect(0, 0, 1, 1);
      return new Uint32Array(pen.getImageData(0, 0, 1, 1).data.buffer)[0];
    });
  };

  const HUE_BITS = 0xffffff;
  const LEGEND = 40;
  const COLOURED = 24; // texts of an overlay, the most frequent
  const STEPS = 64; // of the scale of numbers
  // Dark to light as well as blue to yellow, so that it is told apart without seeing colours.
  const shade = (t) => `oklch(${0.4 + 0.48 * t} 0.13 ${295 - 195 * t})`;
  const short = (number) => String(Number(number.toPrecision(6)));

  // The sides of an overlay: texts in a colour each, or numbers in steps of the scale, the first without a value.
  const texts = ({ names, values }) => {
    const most = Math.min(names.length, COLOURED);
    const of = values.map((v) => (v === null ? 0 : v < most ? v + 2 : 1));
    return {
      ...byColour(Uint32Array.from(of), most + 2),
      names: ["none", "others", ...names.slice(0, most)],
      colours: [GREY, GREY, ...names.slice(0, most).map((_, c) => colour(c))],
      text: (point) => names[values[point]] ?? "none",
    };
  };
  const numbers = ({ values }) => {
    const known = values.filter((v) => v !== null);
    const least = low(known), most = high(known), extent = most - least || 1;
    const of = values.map((v) => (v === null ? 0 : 1 + Math.round(((v - least) / extent) * (STEPS - 1))));
    const steps = Array.from({ length: STEPS }, (_, s) => s / (STEPS - 1));
    return {
      ...byColour(Uint32Array.from(of), STEPS + 1),
      names: ["none", ...steps.map(() => "")],
      colours: [GREY, ...steps.map(shade)],
      ends: known.length > 0 && [short(least), short(most)],
      text: (point) => String(values[point] ?? "none"),
    };
  };
  const low = (values) => values.reduce((a, b) => Math.min(a, b), Infinity);
  const high = (values) => values.reduce((a, b) => Math.max(a, b), -Infinity);

  const TILE = 56; // of a picture on the map
  const WIDE = 1 << 20; // more tiles than one above the other
  const MARGIN = 24;

  const map = (data) => {
    const n = data.x.length;
    const x = Float32Array.from(data.x), y = Float32Array.from(data.y);
    const groupOf = new Uint32Array(n), rank = new Uint32Array(n);
    data.sizes.reduce((start, size, group) => {
      groupOf.fill(group, start, start + size);
      for (let i = 0; i < size; i++) rank[start + i] = i;
      return start + size;
    }, 0);
    const sides = {
      groups: {
        ...byColour(groupOf, data.groups.length),
        names: data.groups,
        colours: data.groups.map((_, g) => (g === data.noise ? GREY : colour(g))),
      },
      classes: data.class.length > 0 && {
        ...byColour(Uint32Array.from(data.class), data.classes.length + 1),
        names: ["unknown", ...data.classes],
        colours: [GREY, ...data.classes.map((_, c) => colour(c))],
      },
    };
    const section = one("#map"), plot = one(".plot"), canvas = one("canvas", plot), tip = one(".tip", plot);
    const pen = canvas.getContext("2d");
    let side = sides.groups, only = null, hovered = null;
    let tiles = null; // place on the map -> the point whose picture is there, while pictures are shown
    const images = new Map(); // thumbnail -> image
    let width = 0, height = 0, view = null, fitted = null;

    const box = { x: low(x), y: low(y), w: high(x) - low(x) || 1, h: high(y) - low(y) || 1 };

    const reset = () => {
      const zoom = Math.min((width - 2 * MARGIN) / box.w, (height - 2 * MARGIN) / box.h);
      view = { zoom, x: width / 2 - zoom * (box.x + box.w / 2), y: height / 2 - zoom * (box.y + box.h / 2) };
      fitted = zoom;
    };
    // Upwards is larger, as in any plot.
    const screenX = (point) => x[point] * view.zoom + view.x;
    const screenY = (point) => height - (y[point] * view.zoom + view.y);
    const radius = () => {
      const crowd = Math.sqrt((width * height) / n) / 6;
      return Math.min(7, Math.max(1, Math.min(4, crowd)) * (view.zoom / fitted) ** 0.35);
    };

    const opacity = (c) => (only === null ? 0.85 : only === c ? 1 : 0.08);
    const discs = (r) => {
      const colours = side.names.map((_, c) => c).sort((a, b) => (a === only) - (b === only));
      for (const c of colours) {
        pen.fillStyle = side.colours[c];
        pen.globalAlpha = opacity(c);
        pen.beginPath();
        for (let i = side.starts[c]; i < side.starts[c + 1]; i++) {
          const px = screenX(side.order[i]), py = screenY(side.order[i]);
          if (px < -r || px > width + r || py < -r || py > height + r) continue;
          pen.moveTo(px + r, py);
          pen.arc(px, py, r, 0, 7);
        }
        pen.fill();
      }
    };
    // Discs so small are squares; set pixel by pixel, 100,000 of them take milliseconds.
    const squares = (r) => {
      const w = canvas.width, h = canvas.height, dense = w / width, s = Math.max(2, Math.round(2 * r * dense));
      const image = pen.createImageData(w, h), pixels = new Uint32Array(image.data.buffer);
      const inkOf = (side.inks ??= inks(side.colours)).map((ink, c) => (ink & HUE_BITS) | (Math.round(255 * opacity(c)) << 24));
      const paint = (point) => {
        const left = Math.round(screenX(point) * dense - s / 2), top = Math.round(screenY(point) * dense - s / 2);
        if (left < 0 || left + s > w || top < 0 || top + s > h) return;
        for (let row = top; row < top + s; row++) pixels.fill(inkOf[side.of[point]], row * w + left, row * w + left + s);
      };
      // In an order that favours no colour, the chosen one on top.
      const step = coprime(n);
      for (let i = 0, point = 0; i < n; i++, point = (point + step) % n) if (side.of[point] !== only) paint(point);
      if (only !== null) for (let i = side.starts[only]; i < side.starts[only + 1]; i++) paint(side.order[i]);
      pen.putImageData(image, 0, 0);
    };
    // A picture for each place of the map's own grid, so that moving the map changes none; of the points there the one most
    // typical of its group, which is the first by rank.
    const tileOf = (px, py) => Math.floor((px - view.x) / TILE) * WIDE + Math.floor((height - py - view.y) / TILE);
    const pictures = () => {
      tiles = new Map();
      for (let point = 0; point < n; point++) {
        const px = screenX(point), py = screenY(point);
        if (px < -TILE || px > width + TILE || py < -TILE || py > height + TILE) continue;
        if (only !== null && side.of[point] !== only) continue;
        const tile = tileOf(px, py), before = tiles.get(tile);
        if (before === undefined || rank[point] < rank[before]) tiles.set(tile, point);
      }
      pen.globalAlpha = 1;
      for (const [tile, point] of tiles) {
        const src = rowOf(point, data.chunk)?.[1];
        if (!src) continue;
        if (!images.has(src)) images.set(src, Object.assign(new Image(), { onload: redraw, src }));
        const image = images.get(src);
        if (!image.complete || !image.naturalWidth) continue;
        const left = Math.floor(tile / WIDE) * TILE, up = (tile % WIDE) * TILE;
        const fit = (TILE - 6) / Math.max(image.naturalWidth, image.naturalHeight);
        const w = image.naturalWidth * fit, h = image.naturalHeight * fit;
        const px = left + view.x + (TILE - w) / 2, py = height - up - view.y - (TILE + h) / 2;
        pen.fillStyle = side.colours[side.of[point]];
        pen.fillRect(px - 2, py - 2, w + 4, h + 4);
        pen.imageSmoothingEnabled = fit < 1;
        pen.drawImage(image, px, py, w, h);
      }
    };
    const draw = () => {
      const r = radius();
      pen.clearRect(0, 0, width, height);
      if (r < 2) squares(r);
      else discs(r);
      if (tiles) pictures();
      if (hovered !== null) {
        pen.globalAlpha = 1;
        pen.strokeStyle = getComputedStyle(plot).color;
        pen.lineWidth = 2;
        pen.beginPath();
        pen.arc(screenX(hovered), screenY(hovered), r + 3, 0, 7);
        pen.stroke();
      }
    };
    let due = 0;
    const redraw = () => { due ||= requestAnimationFrame(() => { due = 0; draw(); }); };

    const zoomAt = (factor, px = width / 2, py = height / 2) => {
      const zoom = Math.min(fitted * 400, Math.max(fitted * 0.5, view.zoom * factor));
      const up = height - py, by = zoom / view.zoom;
      view = { zoom, x: px - (px - view.x) * by, y: up - (up - view.y) * by };
      hover(null);
      redraw();
    };
    const move = (dx, dy) => { view.x += dx; view.y -= dy; hover(null); redraw(); };

    const nearest = (px, py) => {
      const pictured = tiles?.get(tileOf(px, py));
      if (pictured !== undefined) return pictured;
      let best = null, reach = 14 ** 2;
      for (let point = 0; point < n; point++) {
        const distance = (screenX(point) - px) ** 2 + (screenY(point) - py) ** 2;
        if (distance < reach && (only === null || side.of[point] === only)) { best = point; reach = distance; }
      }
      return best;
    };

    const hover = (point) => {
      hovered = point;
      tip.hidden = point === null;
      canvas.style.cursor = point === null ? "" : "pointer";
      redraw();
      if (point === null) return;
      const row = rowOf(point, data.chunk);
      const image = one("img", tip);
      image.hidden = !row?.[1];
      if (row?.[1] && image.getAttribute("src") !== row[1]) image.src = row[1];
      one(".id", tip).textContent = row ? row[0] : "…";
      one(".of", tip).textContent = data.groups[groupOf[point]] +
        (sides.classes && data.class[point] ? ` · ${sides.classes.names[data.class[point]]}` : "") +
        (side.text ? ` · ${side.text(point)}` : "");
      const px = screenX(point), py = screenY(point);
      tip.style.left = `${px + 16 + tip.offsetWidth > width ? Math.max(0, px - 16 - tip.offsetWidth) : px + 16}px`;
      tip.style.top = `${Math.max(0, Math.min(py - 20, height - tip.offsetHeight - 4))}px`;
    };
    arrived = () => { if (hovered !== null) hover(hovered); else if (tiles) redraw(); };

    const legend = () => {
      const shown = side.names.map((_, c) => c).filter((c) => side.starts[c + 1] > side.starts[c] && !(side.ends && c > 0));
      const items = shown.slice(0, LEGEND).map((c) => {
        const item = document.createElement("li"), button = document.createElement("button"), dot = document.createElement("span");
        const name = document.createElement("bdi");
        dot.className = "dot";
        dot.style.background = side.colours[c];
        name.textContent = side.names[c];
        button.type = "button";
        button.setAttribute("aria-pressed", String(only === c));
        button.append(dot, name);
        button.addEventListener("click", () => {
          only = only === c ? null : c;
          for (const other of all("button", one(".legend"))) other.setAttribute("aria-pressed", String(other === button && only !== null));
          hover(null);
        });
        item.append(button);
        return item;
      });
      if (shown.length > LEGEND) items.push(Object.assign(document.createElement("li"), { className: "hint", textContent: `and ${shown.length - LEGEND} more` }));
      if (side.ends) {
        const item = Object.assign(document.createElement("li"), { className: "scale" }), bar = document.createElement("span");
        bar.style.background = `linear-gradient(to right, ${side.colours.slice(1)})`;
        item.append(side.ends[0], bar, side.ends[1]);
        items.unshift(item);
      }
      one(".legend").replaceChildren(...items);
    };

    // ---- pointer, wheel and keys
    const at = (event) => { const box = canvas.getBoundingClientRect(); return [event.clientX - box.left, event.clientY - box.top]; };
    let drag = null, scrolled = 0;
    addEventListener("scroll", () => { scrolled = performance.now(); }, { passive: true });
    canvas.addEventListener("wheel", (event) => {
      // A page on its way past the map goes on scrolling, and so does one that can't zoom out further.
      const passing = performance.now() - scrolled < 300 || (event.deltaY > 0 && view.zoom <= fitted * 0.51);
      if (passing && !event.ctrlKey) return;
      event.preventDefault();
      zoomAt(Math.exp(-event.deltaY * (event.deltaMode ? 0.05 : 0.002) * (event.ctrlKey ? 4 : 1)), ...at(event));
    }, { passive: false });
    canvas.addEventListener("pointerdown", (event) => {
      drag = { from: at(event), last: at(event), moved: false };
      if (event.pointerType === "mouse") canvas.setPointerCapture(event.pointerId);
    });
    canvas.addEventListener("pointermove", (event) => {
      const [px, py] = at(event);
      if (!drag) return hover(nearest(px, py));
      drag.moved ||= Math.hypot(px - drag.from[0], py - drag.from[1]) > 4;
      if (drag.moved) move(px - drag.last[0], py - drag.last[1]);
      drag.last = [px, py];
    });
    canvas.addEventListener("pointerup", (event) => {
      if (drag && !drag.moved) {
        const point = nearest(...at(event)), seen = point !== null && point === hovered;
        const page = point !== null && rowOf(point, data.chunk)?.[2];
        if (seen && page) location.href = page;
        else hover(point); // a finger's first touch shows, its second opens
      }
      drag = null;
    });
    canvas.addEventListener("pointercancel", () => { drag = null; });
    canvas.addEventListener("pointerleave", (event) => { if (event.pointerType === "mouse" && !drag) hover(null); });
    const STEP = 60;
    const keys = {
      ArrowLeft: () => move(STEP, 0), ArrowRight: () => move(-STEP, 0), ArrowUp: () => move(0, STEP), ArrowDown: () => move(0, -STEP),
      "+": () => zoomAt(1.4), "=": () => zoomAt(1.4), "-": () => zoomAt(1 / 1.4), 0: () => { reset(); redraw(); }, Escape: () => hover(null),
    };
    canvas.addEventListener("keydown", (event) => {
      if (!keys[event.key] || event.ctrlKey || event.metaKey || event.altKey) return;
      event.preventDefault();
      keys[event.key]();
    });
    const zooms = { in: keys["+"], out: keys["-"], reset: keys[0] };
    for (const button of all("[data-zoom]", section)) button.addEventListener("click", zooms[button.dataset.zoom]);
    const menu = one("[data-colour]", section);
    const paint = () => {
      if (!sides[menu.value]) return;
      side = sides[menu.value];
      only = null;
      legend();
      hover(null);
    };
    menu?.addEventListener("change", () => (sides[menu.value] ? paint() : load(`overlay-${menu.value}`)));
    overlayArrived = (overlay) => {
      sides[overlay.number] = overlay.names ? texts(overlay) : numbers(overlay);
      paint();
    };

    one("[data-pictures]", section).addEventListener("click", ({ target }) => {
      tiles = tiles ? null : new Map();
      target.setAttribute("aria-pressed", String(tiles !== null));
      hover(null);
    });

    plot.hidden = false;
    one(".tools", section).hidden = false;
    legend();
    new ResizeObserver(() => {
      const dense = devicePixelRatio || 1;
      ({ clientWidth: width, clientHeight: height } = plot);
      canvas.width = width * dense;
      canvas.height = height * dense;
      pen.setTransform(dense, 0, 0, dense, 0, 0);
      reset();
      draw();
    }).observe(plot);
  };

  const names = ({ chunk, rows }) => { chunks.set(chunk, rows); arrived(); };
  const overlay = (data) => overlayArrived(data);
  return { map, names, overlay };
})();
