// Draws the charts in the theme's colours, and does what the buttons say. It asks no server for anything.
(() => {
  "use strict";
  const data = JSON.parse(document.getElementById("data").textContent);
  const root = document.documentElement;
  const status = document.getElementById("status");
  const figures = [...document.querySelectorAll("[data-chart]")];
  const views = new Map();

  const objects = ({ columns, values }) => values.map((row) => Object.fromEntries(columns.map((name, i) => [name, row[i]])));

  // ---- colours -----------------------------------------------------------------------------------------------
  const colours = () => {
    const style = getComputedStyle(root);
    const read = (name) => style.getPropertyValue(`--${name}`).trim();
    const list = (name) => read(name).split(/\s+/);
    return {
      paper: read("paper"), panel: read("panel"), ink: read("ink"), muted: read("muted"), rule: read("rule"),
      grid: read("grid"), accent: read("accent"), bad: read("bad"), font: read("sans"),
      ramp: list("ramp"), category: list("category"), diverging: list("diverging"),
    };
  };
  const NARROW = 420;  // pixels of room, with less of which a legend that says no place stands below
  const config = (c, room) => ({
    background: c.paper, font: c.font, padding: 4,
    aria: false,
    view: { stroke: null, continuousWidth: 300, continuousHeight: 200 },
    axis: {
      labelColor: c.muted, titleColor: c.muted, titleFontWeight: "normal", titleFontSize: 12, labelFontSize: 11,
      domainColor: c.rule, tickColor: c.rule, gridColor: c.grid, tickSize: 4, labelOverlap: true, labelSeparation: 6,
    },
    axisBand: { grid: false },
    legend: { labelColor: c.ink, titleColor: c.muted, titleFontWeight: "normal", titleFontSize: 12, labelFontSize: 11, gradientLength: 120, symbolType: "circle", labelLimit: 180, ...(room < NARROW ? { orient: "bottom", columns: 2 } : {}) },
    header: { labelColor: c.ink, titleColor: c.muted, titleFontWeight: "normal", labelFontSize: 12 },
    title: { color: c.ink, fontSize: 12, fontWeight: 600, anchor: "start" },
    mark: { color: c.accent },
    text: { color: c.ink }, rule: { color: c.muted }, tick: { color: c.accent },
    line: { strokeWidth: 1.8 }, point: { filled: true, size: 30 },
    range: { category: c.category, ordinal: c.ramp.slice(1), ramp: c.ramp, heatmap: c.ramp, diverging: c.diverging },
  });
  // "@muted" in a spec is the theme's colour of that name; a named scheme gives way to the theme's own of its kind.
  const DIVERGING = new Set(["blueorange", "brownbluegreen", "purplegreen", "pinkyellowgreen", "purpleorange", "redblue", "redgrey", "redyellowblue", "redyellowgreen", "spectral"]);
  const coloured = (value, c) => {
    if (typeof value === "string") return value[0] === "@" && typeof c[value.slice(1)] === "string" ? c[value.slice(1)] : value;
    if (Array.isArray(value)) return value.map((item) => coloured(item, c));
    if (!value || typeof value !== "object") return value;
    const { scheme, ...rest } = value;
    if (DIVERGING.has(scheme)) rest.range = "diverging";
    return Object.fromEntries(Object.entries(rest).map(([name, item]) => [name, coloured(item, c)]));
  };

  // ---- charts ------------------------------------------------------------------------------------------------
  const composed = (spec) =>
    ["facet", "concat", "hconcat", "vconcat", "repeat"].some((name) => name in spec) ||
    ["row", "column", "facet"].some((name) => spec.encoding && name in spec.encoding);
  const roomFor = (figure) => {  // a closed layer has no width of its own
    let place = figure.querySelector(".scroll");
    while (place && !place.clientWidth) place = place.parentElement;
    return Math.max(220, Math.min(place ? place.clientWidth : 600, 960));
  };
  const sized = (chart, spec, room) => {
    if (!composed(spec)) {
      const width = Math.min(room, spec.width || room);
      return { ...spec, width, height: heightOf(chart, spec), autosize: { type: "fit-x", contains: "padding" } };
    }
    const cell = spec.spec && spec.spec.width;
    if (spec.facet && spec.columns && typeof cell === "number") {
      return { ...spec, columns: Math.max(1, Math.min(spec.columns, Math.floor((room - 60) / (cell + 16)))) };
    }
    if (spec.facet && spec.facet.column && typeof cell === "number") return narrowed(chart, spec, room);
    return spec;
  };
  // Panels in a row take the room there is, as long as they can be seen; their titles then stand upright.
  const LEAST_PANEL = 10, TITLED = 30;  // pixels; narrower panels have no title of their axis
  const narrowed = (chart, spec, room) => {
    const { column } = spec.facet, at = chart.columns.indexOf(column.field);
    const panels = new Set(chart.values.map((row) => row[at])).size;
    const beside = room < NARROW ? 50 : 100;  // axis and legend
    const width = Math.max(LEAST_PANEL, Math.floor((room - beside) / panels) - (spec.spacing || 0));
    if (width >= spec.spec.width) return spec;
    const header = { ...column.header, labelAngle: -90, labelBaseline: "middle", labelAlign: "right" };
    const facet = { ...spec.facet, column: { ...column, header } };
    const { x } = spec.spec.encoding;
    const encoding = { ...spec.spec.encoding, x: { ...x, title: width < TITLED ? null : x.title } };
    return { ...spec, facet, spec: { ...spec.spec, width, encoding } };
  };
  // Vega-Lite fits a width only beside a height in pixels: a height per step becomes one.
  const heightOf = (chart, spec) => {
    const step = spec.height && spec.height.step;
    const encoding = Object.assign({}, ...(spec.layer || []).map((layer) => layer.encoding || {}), spec.encoding);
    const distinct = (channel) => {
      const column = chart.columns.indexOf(encoding[channel] && encoding[channel].field);
      return column < 0 ? 0 : new Set(chart.values.map((row) => row[column])).size;
    };
    if (typeof step !== "number" || !distinct("y")) return spec.height || 200;
    const inside = spec.height.for === "position" ? 0 : distinct("yOffset");
    return Math.ceil(step * distinct("y") * (inside ? inside * 1.25 : 1));
  };
  // ast: Vega then interprets expressions, where it would compile them with eval, which the page forbids.
  const drawn = (plot, chart, width) => {
    const c = colours();
    return vegaEmbed(plot, { ...sized(chart, coloured(chart.spec, c), width), data: { values: objects(chart) } }, {
      mode: "vega-lite", renderer: "svg", ast: true, actions: false, defaultStyle: false, logLevel: 1,
      config: config(c, width), tooltip: showTooltip,
      formatLocale: { decimal: ".", thousands: ",", grouping: [3], currency: ["$", ""], percent: "\u00a0%" },
    });
  };
  const READABLE = 0.75;  // a chart that is wider than its place shrinks to this share; then it scrolls
  const draw = async (figure) => {
    const key = figure.dataset.chart, chart = data.charts[key];
    const plot = figure.querySelector(".plot");
    const width = roomFor(figure);
    figure.dataset.width = width;
    try {
      if (views.has(key)) views.get(key).finalize();
      views.set(key, await drawn(plot, chart, width));
      const svg = plot.querySelector("svg");
      svg.setAttribute("aria-hidden", "true");  // the frame around it carries the description
      svg.style.minWidth = `${Math.floor(READABLE * svg.getAttribute("width"))}px`;
    } catch (error) {
      console.error(key, error);
      plot.textContent = "This chart could not be drawn; its data are in the table below.";
      plot.classList.add("failed");
    }
    reachable(figure.querySelector(".scroll"), chart.title);
  };
  // Paper is light. Printing does not wait for drawing, so a dark page keeps light pictures ready.
  const drawForPaper = async (figure) => {
    const key = figure.dataset.chart;
    const place = document.createElement("div");
    root.dataset.theme = "light";  // read and put back before anything is painted
    const made = drawn(place, data.charts[key], Number(figure.dataset.width));
    root.dataset.theme = "dark";
    const result = await made;
    const picture = figure.querySelector(".paper");
    picture.innerHTML = await result.view.toSVG();
    result.finalize();
    picture.dataset.width = figure.dataset.width;
  };
  // What scrolls sideways takes the keyboard's focus, and only that.
  const reachable = (scroll, title) => {
    if (!scroll.clientWidth) return;
    if (scroll.scrollWidth > scroll.clientWidth || scroll.scrollHeight > scroll.clientHeight) {
      scroll.tabIndex = 0;
      scroll.setAttribute("role", "group");
      scroll.setAttribute("aria-label", `${title}, scrolls`);
    } else for (const name of ["tabindex", "role", "aria-label"]) scroll.removeAttribute(name);
  };
  let drawing = 0;
  const drawAll = async () => {
    const mine = ++drawing;
    root.dataset.ready = "no";
    const folded = (figure) => Boolean(figure.closest(".layer:not([open])"));
    for (const figure of [...figures].sort((a, b) => folded(a) - folded(b))) {
      await draw(figure);
      if (mine !== drawing) return;
      await new Promise((go) => setTimeout(go));
    }
    root.dataset.ready = "yes";
    if (root.dataset.theme === "dark") {
      for (const figure of figures) {
        const picture = figure.querySelector(".paper");
        if (!picture.dataset.width) await drawForPaper(figure);
        if (mine !== drawing) return;
      }
      root.dataset.paper = "yes";
    }
  };

  // ---- tooltip -----------------------------------------------------------------------------------------------
  const tip = document.getElementById("tooltip");
  function showTooltip(_handler, event, _item, value) {
    if (value === null || value === undefined || value === "") { tip.hidden = true; return; }
    if (typeof value === "object") {
      const list = document.createElement("dl");
      for (const [name, text] of Object.entries(value)) {
        const dt = document.createElement("dt"), dd = document.createElement("dd");
        dt.textContent = name;
        dd.textContent = text;
        list.append(dt, dd);
      }
      tip.replaceChildren(list);
    } else tip.textContent = value;
    tip.hidden = false;
    const { width, height } = tip.getBoundingClientRect();
    tip.style.left = `${Math.max(4, Math.min(event.clientX + 14, innerWidth - width - 4))}px`;
    tip.style.top = `${event.clientY + 18 + height > innerHeight ? Math.max(4, event.clientY - height - 10) : event.clientY + 18}px`;
  }
  addEventListener("scroll", () => { tip.hidden = true; }, { passive: true });
  addEventListener("keydown", (event) => { if (event.key === "Escape") tip.hidden = true; });

  // ---- exports -----------------------------------------------------------------------------------------------
  const slug = (text) => text.toLowerCase().replace(/[^a-z0-9]+/g, "-").replace(/^-+|-+$/g, "").slice(0, 60) || "run";
  const save = (name, type, text) => {
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([text], { type }));
    link.download = name;
    document.body.append(link);
    link.click();
    link.remove();
    setTimeout(() => URL.revokeObjectURL(link.href), 10000);
    status.textContent = `${name} saved`;
  };
  const quoted = (value) => {
    const text = value === null || value === undefined ? "" : String(value);
    return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
  };
  const csv = ({ columns, values }) => [columns, ...values].map((row) => row.map(quoted).join(",")).join("\r\n") + "\r\n";
  const fileName = (key, ending) => `${slug(data.name)}-${key}.${ending}`;

  // ---- tables ------------------------------------------------------------------------------------------------
  const MOST = 500;
  const shown = (value) => value === null || value === undefined ? "–" : typeof value === "number" ? String(Number(value.toPrecision(5))) : String(value);
  const asTable = ({ columns, values }, label) => {
    const table = document.createElement("table");
    table.setAttribute("aria-label", label);
    const head = table.createTHead().insertRow();
    const numeric = columns.map((_, i) => values.length > 0 && values.every((row) => row[i] === null || typeof row[i] === "number"));
    columns.forEach((name, i) => {
      const th = document.createElement("th");
      th.scope = "col";
      th.textContent = name;
      if (numeric[i]) th.className = "number";
      head.append(th);
    });
    const body = table.createTBody();
    for (const row of values.slice(0, MOST)) {
      const line = body.insertRow();
      row.forEach((value, i) => {
        const td = line.insertCell();
        td.textContent = shown(value);
        if (numeric[i]) td.className = "number";
      });
    }
    return table;
  };
  const sort = (button) => {
    const th = button.closest("th"), table = th.closest("table");
    const { values } = data.tables[th.closest("[data-table]").dataset.table];
    const column = th.cellIndex;
    const direction = th.getAttribute("aria-sort") === "ascending" ? -1 : 1;
    for (const other of table.querySelectorAll("th")) other.removeAttribute("aria-sort");
    th.setAttribute("aria-sort", direction > 0 ? "ascending" : "descending");
    const of = (tr) => values[tr.dataset.row][column];
    const rows = [...table.tBodies[0].rows].sort((p, q) => {
      const a = of(p), b = of(q);
      if (a === null || b === null) return (a === null) - (b === null);
      return direction * (typeof a === "number" && typeof b === "number" ? a - b : String(a).localeCompare(String(b), undefined, { numeric: true }));
    });
    table.tBodies[0].append(...rows);
  };
  const reachableTables = () => {
    for (const scroll of document.querySelectorAll("[data-table] .scroll")) reachable(scroll, scroll.querySelector("table").getAttribute("aria-label"));
  };
  reachableTables();

  // ---- what the reader does ----------------------------------------------------------------------------------
  const actions = {
    csv: (button) => {
      const owner = button.closest("[data-chart], [data-table]");
      const key = owner.dataset.chart || owner.dataset.table;
      save(fileName(key, "csv"), "text/csv;charset=utf-8", csv(data.charts[key] || data.tables[key]));
    },
    svg: async (button) => {
      const key = button.closest("[data-chart]").dataset.chart;
      if (views.has(key)) save(fileName(key, "svg"), "image/svg+xml", await views.get(key).view.toSVG());
    },
    sort,
    open: () => { for (const layer of document.querySelectorAll(".layer")) layer.open = true; },
    close: () => { for (const layer of document.querySelectorAll(".layer")) layer.open = false; },
  };
  document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-do]");
    if (button) actions[button.dataset.do](button);
  });
  document.addEventListener("toggle", (event) => {
    const details = event.target;
    if (details.matches(".as-table") && details.open && !details.dataset.filled) {
      const figure = details.closest("[data-chart]");
      const chart = data.charts[figure.dataset.chart];
      const scroll = details.querySelector(".scroll");
      scroll.append(asTable(chart, chart.title));
      reachable(scroll, `${chart.title} as a table`);
      if (chart.values.length > MOST) {
        const note = document.createElement("p");
        note.className = "note";
        note.textContent = `The first ${MOST} of ${chart.values.length} rows; the CSV file has all.`;
        details.append(note);
      }
      details.dataset.filled = "yes";
    }
    if (details.matches(".layer") && details.open) {
      reachableTables();
      for (const figure of details.querySelectorAll("[data-chart]")) redrawIfResized(figure);
    }
  }, true);
  const openTarget = () => {
    let id = "";
    try { id = decodeURIComponent(location.hash.slice(1)); } catch { return; }
    const target = id && document.getElementById(id);
    if (!target) return;
    const layer = target.closest("details.layer");
    if (layer && !layer.open) { layer.open = true; target.scrollIntoView(); }
  };
  addEventListener("hashchange", openTarget);

  // ---- theme, size, paper ------------------------------------------------------------------------------------
  const button = document.getElementById("theme");
  const system = matchMedia("(prefers-color-scheme: dark)");
  const setTheme = (theme) => {
    root.dataset.theme = theme;
    button.setAttribute("aria-pressed", String(theme === "dark"));
    return drawAll();
  };
  let chosen = false;
  button.addEventListener("click", () => {
    chosen = true;
    const theme = root.dataset.theme === "dark" ? "light" : "dark";
    try { localStorage.setItem("shiftlif-theme", theme); } catch { /* a file may have no storage */ }
    setTheme(theme);
  });
  system.addEventListener("change", () => { if (!chosen) setTheme(system.matches ? "dark" : "light"); });
  const redrawIfResized = (figure) => {
    if (closed || !figure.dataset.width) return;
    if (Math.abs(roomFor(figure) - Number(figure.dataset.width)) > 12) draw(figure);
    else reachable(figure.querySelector(".scroll"), data.charts[figure.dataset.chart].title);
  };
  let waiting = 0;
  addEventListener("resize", () => {
    clearTimeout(waiting);
    waiting = setTimeout(() => { figures.forEach(redrawIfResized); reachableTables(); }, 150);
  });
  let closed = null;  // paper shows every layer
  const onPaper = (yes) => {
    if (yes === Boolean(closed)) return;
    if (yes) {
      closed = [...document.querySelectorAll(".layer:not([open])")];
      for (const layer of closed) layer.open = true;
    } else {
      for (const layer of closed) layer.open = false;
      closed = null;
    }
  };
  addEventListener("beforeprint", () => onPaper(true));
  addEventListener("afterprint", () => onPaper(false));
  matchMedia("print").addEventListener("change", (query) => onPaper(query.matches));

  // ---- where the reader is -----------------------------------------------------------------------------------
  const links = new Map([...document.querySelectorAll("nav a")].map((link) => [link.hash.slice(1), link]));
  const inSight = new IntersectionObserver((changes) => {
    for (const change of changes) {
      if (!change.isIntersecting) continue;
      for (const link of links.values()) link.removeAttribute("aria-current");
      links.get(change.target.id).setAttribute("aria-current", "location");
    }
  }, { rootMargin: "-10% 0px -80% 0px" });
  for (const id of links.keys()) {
    const target = document.getElementById(id);
    if (target && !target.matches(".layer")) inSight.observe(target);
  }
  const contents = document.querySelector("nav > details");
  if (matchMedia("(max-width: 60rem)").matches) contents.open = false;

  button.setAttribute("aria-pressed", String(root.dataset.theme === "dark"));
  openTarget();
  // An open document in a frame keeps the page's load event waiting until every chart is drawn: what waits for it,
  // such as printing and pictures made without a screen, then finds them all. What is in sight is painted meanwhile.
  const pending = document.createElement("iframe");
  pending.hidden = true;
  pending.title = "drawing";
  document.body.append(pending);
  pending.contentDocument.open();
  drawAll().finally(() => { pending.contentDocument.close(); pending.remove(); });
})();
