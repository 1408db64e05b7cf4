// The page of `dvc plots show` and `dvc plots diff`. DVC passes each plot to vegaEmbed while the page
// loads. This script collects them and lays them out as one report. `usermeta` of a plot's template
// says how to show the plot. A plot without it is drawn last and unchanged.
"use strict";
(() => {
  const plots = [];
  window.vegaEmbed = (selector, spec) => plots.push({ id: selector.slice(1), spec });

  // As in the templates, so that a revision has the same color and shape in every plot.
  const COLORS = ["#0A7CC0", "#D55E00", "#008A64", "#B0568F", "#8A6D00", "#7668D6"];
  const SHAPES = [
    "M5,0A5,5,0,1,1,5,10A5,5,0,1,1,5,0Z", "M0.5,0.5H9.5V9.5H0.5Z", "M5,0.5L10,9.5H0Z",
    "M5,0L10,5L5,10L0,5Z", "M3,0H7V3H10V7H7V10H3V7H0V3H3Z", "M0,0.5H10L5,9.5Z",
  ];
  const SHAPE_NAMES = ["circle", "square", "triangle-up", "diamond", "cross", "triangle-down"];
  const INK = "currentColor";
  const CONFIG = {
    aria: false,
    background: null,
    font: "system-ui, 'Liberation Sans', Arial, sans-serif",
    axis: {
      labelColor: INK, titleColor: INK, tickColor: INK, domainColor: INK, gridColor: INK,
      gridOpacity: 0.14, labelFontSize: 12, titleFontSize: 12, titleFontWeight: 500,
    },
    header: { labelColor: INK, titleColor: INK },
    legend: {
      labelColor: INK, titleColor: INK, labelFontSize: 12, titleFontSize: 12,
      layout: { top: { anchor: "start", direction: "vertical" } },
    },
    rule: { color: INK },
    view: { stroke: null },
  };
  const MOST_ROWS = 500;

  const rows = (spec) => spec.data?.values ?? [];
  const meta = (spec) => spec.usermeta ?? {};
  const has = (spec, revision) => rows(spec).some((row) => row.rev === revision);
  // The parts of a template that draw marks.
  const units = (spec) => [spec.spec ?? spec, ...((spec.spec ?? spec).layer ?? [])];
  const distinct = (values) => [...new Set(values)];
  const element = (name, attributes = {}, ...children) => {
    const made = document.createElement(name);
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    made.append(...children);
    return made;
  };

  document.addEventListener("DOMContentLoaded", () => {
    const revisions = distinct(plots.flatMap(({ spec }) => rows(spec).map((row) => row.rev)));
    const texts = (view) => plots.filter(({ spec }) => meta(spec).view === view).flatMap(({ spec }) => rows(spec));
    const facts = texts("facts");
    const values = texts("settings").map(({ setting, value, rev }) => ({ name: setting, text: value, rev }));
    const report = document.getElementById("report");
    const charts = [];
    const sections = new Map();
    // DVC passes an empty template for a plot without rows, such as the errors by step one minute ahead.
    const shown = plots.filter(({ spec }) => !meta(spec).view && Object.keys(spec).length);
    // The last plot that may lead the page does: the distribution, or else the forecast.
    const lead = revisions.length > 1 ? undefined : shown.filter(({ spec }) => meta(spec).lead && rows(spec).length).at(-1);
    // Its text comes after it, so that a phone's first screen has the plot.
    const [title, text, ...plot] = lead ? block(lead, revisions, charts) : [];
    const first = lead ? [element("h2", { class: "lead" }, title.textContent), plot[0], text, ...plot.slice(1)] : [];
    for (const plot of shown.filter((each) => each !== lead)) {
      const title = meta(plot.spec).section ?? "More plots";
      sections.set(title, [...(sections.get(title) ?? []), ...block(plot, revisions, charts)]);
      if (sections.size === 1 && facts.length) sections.set("Caveats", caveats(facts, revisions));
    }
    if (facts.some((row) => row.section === "shortcuts")) {
      sections.set("Shortcuts of the tutorial", [factTable(facts, ["shortcuts"], revisions)]);
    }
    if (values.length) sections.set("Settings", settings(values, revisions));

    report.append(header(facts, revisions, first), contents([...sections.keys()]));
    [...sections].forEach(([title, parts], place) => {
      const heading = element("h2", { id: `section-${place}`, tabindex: "-1" }, title);
      report.append(element("section", { "aria-labelledby": heading.id }, heading, ...parts));
    });
    if (facts.length) {
      report.append(element("footer", {}, element("p", { class: "note" },
        "All plots except “Forecast and actual” cover every minute of the test split. The page needs no "
        + "network. Its source has the licences of the packages in it.")));
    }
    clear();
    drawAll(charts, revisions);
  });

  // Leave anything else that DVC put into the page, such as pictures, unchanged.
  function clear() {
    const given = document.getElementById("given");
    plots.forEach(({ id }) => document.getElementById(id)?.remove());
    given.querySelectorAll("script").forEach((script) => script.remove());
    given.hidden = !given.textContent.trim() && !given.querySelector("img");
  }

  function contents(titles) {
    const links = titles.map((title, place) => element("li", {}, element("a", { href: `#section-${place}` }, title)));
    return element("nav", { "aria-label": "Sections" }, element("ul", {}, ...links));
  }

  function header(facts, revisions, first) {
    const fact = (section, name) => facts.find((row) => row.section === section && row.name === name)?.text;
    const figures = facts.filter((row) => row.section === "figures");
    const simulated = distinct(facts.map((row) => row.household === "simulated household"));
    const source = element("p", { class: "source" }, "Household power forecast ");
    if (simulated.includes(true)) {
      const all = simulated.length === 1 ? "Simulated data" : "Partly simulated data";
      source.append(element("span", { class: "simulated" }, all));
    }
    const top = element("header", {}, source);
    if (revisions.length > 1) {
      const names = element("p", { class: "names" });
      revisions.forEach((revision, place) => names.append(element("span", {}, swatch(place), revision)));
      const [headline, ...doubts] = comparison(revisions);
      top.append(element("h1", {}, headline), names, ...doubts.map((text) => element("p", {}, text)));
      top.append(...revisions.flatMap((revision) => lacking(revision, revisions)));
      if (figures.length) top.append(pivot(figures, revisions, "figures"));
      if (facts.length) top.append(folded("All facts", factTable(facts, ["verdict", "data", "model"], revisions)));
    } else {
      top.append(element("h1", {}, fact("verdict", "headline") ?? "The plots"));
      const where = fact("verdict", "where it wins");
      if (where) top.append(element("p", {}, `${where}.`));
      if (figures.length) top.append(tiles(figures));
      top.append(...first);
      const others = facts.filter((row) => row.section === "verdict" && !["headline", "where it wins"].includes(row.name));
      const own = { revision: revisions[0] ?? "", "page written": new Date(document.lastModified).toLocaleString() };
      const more = Object.entries(own).map(([name, text]) => ({ section: "data", name, text, rev: revisions[0] }));
      if (facts.length) {
        const lines = others.map((row) => element("p", {}, `${row.text}.`));
        top.append(folded("About this run", ...lines, factTable([...facts, ...more], ["data", "model"], revisions)));
      }
    }
    return top;
  }

  const folded = (title, ...parts) => element("details", { class: "facts" }, element("summary", {}, title), ...parts);

  // The figures of a run, large, each with what it is compared with.
  function tiles(figures) {
    return element("dl", { class: "tiles" }, ...figures.map((row) => element("div", {},
      element("dt", {}, row.name), element("dd", { class: "figure" }, row.text), element("dd", {}, row.detail ?? ""))));
  }

  // Say which revision has the smaller error, or by how much each is better than persistence where the test
  // windows differ. What may mislead follows.
  function comparison(revisions) {
    const scores = rows(plots.find(({ spec }) => rows(spec).some((row) => "rmse_kw" in row && row.series === "LSTM"))?.spec ?? {});
    const score = (series, key, revision) => Number(scores.find((row) => row.series === series && row.rev === revision)?.[key]);
    const percent = (share) => `${(100 * Math.abs(share)).toFixed(1)}%`;
    const errors = revisions.map((revision) => score("LSTM", "rmse_kw", revision));
    if (!errors.every((error) => error > 0)) return [`${revisions.length} revisions compared`];
    const yardsticks = revisions.map((revision) => score("persistence", "rmse_kw", revision));
    if (yardsticks.some((error) => Math.abs(error / yardsticks[0] - 1) > 1e-4)) {
      const gains = revisions.map((revision) => {
        const skill = score("LSTM", "skill", revision);
        return `${revision} ${percent(skill)} ${skill < 0 ? "worse" : "better"}`;
      });
      return [`Against persistence: ${gains.join(", ")}`, "The test windows differ, so compare the gains, not the errors."];
    }
    if (revisions.length === 2) {
      const change = errors[1] / errors[0] - 1;
      if (!change) return [`${revisions[0]} and ${revisions[1]} have the same error`];
      return [`${revisions[1]}: RMSE ${percent(change)} ${change < 0 ? "smaller" : "larger"} than ${revisions[0]}`];
    }
    const least = errors.indexOf(Math.min(...errors));
    return [`${revisions[least]} has the smallest error of ${revisions.length} revisions: RMSE ${errors[least].toFixed(4)} kW`];
  }

  // Name the plots that a revision lacks and another one has.
  function lacking(revision, revisions) {
    const due = plots.filter(({ spec }) => !meta(spec).view && !meta(spec).optional && rows(spec).length);
    const without = due.filter(({ spec }) => !has(spec, revision));
    if (!without.length) return [];
    const names = without.map(({ id, spec }) => `“${spec.title?.text ?? spec.title ?? id}”`);
    const what = without.length > 2 ? `${without.length} of ${due.length} plots` : names.join(" and ");
    return [element("p", { class: "lacking", role: "note" }, swatch(revisions.indexOf(revision)),
      `${revision} lacks ${what}: that commit did not write them, or they are not in DVC's cache. Run “dvc pull”, or `
      + "check the revision out, run “dvc repro” and commit the changes.")];
  }

  function swatch(place) {
    const space = "http://www.w3.org/2000/svg";
    const drawing = document.createElementNS(space, "svg");
    const path = document.createElementNS(space, "path");
    const attributes = { viewBox: "0 0 10 10", class: "swatch", "aria-hidden": "true" };
    Object.entries(attributes).forEach(([name, value]) => drawing.setAttribute(name, value));
    path.setAttribute("d", SHAPES[place % SHAPES.length]);
    path.setAttribute("fill", COLORS[place % COLORS.length]);
    drawing.append(path);
    return drawing;
  }

  function caveats(facts, revisions) {
    return revisions.flatMap((revision, place) => {
      const found = facts.filter((row) => row.section === "caveats" && row.rev === revision);
      const list = element("ul", { class: "caveats" }, ...found.map((row) => element("li", {}, row.text)));
      return revisions.length > 1 ? [element("h3", {}, swatch(place), revision), list] : [list];
    });
  }

  function factTable(facts, sections, revisions) {
    const chosen = facts.filter((row) => sections.includes(row.section) && row.name !== "headline");
    return pivot(chosen, revisions, sections.join(", "));
  }

  function settings(values, revisions) {
    const all = folded("All settings", pivot(values, revisions, "all settings"));
    if (revisions.length < 2) return [all];
    const differ = values.filter((row) => new Set(across(values, row.name, revisions)).size > 1);
    if (!differ.length) return [element("p", {}, "The revisions have the same settings."), all];
    return [element("p", {}, "Settings that differ:"), pivot(differ, revisions, "settings that differ"), all];
  }

  // Return the text of a name in each revision.
  function across(values, name, revisions) {
    return revisions.map((revision) => values.find((row) => row.name === name && row.rev === revision)?.text ?? "");
  }

  // Return a table with a row for each name and a column for each revision. Differences are marked, unless all
  // rows differ.
  function pivot(values, revisions, label) {
    const several = revisions.length > 1;
    const names = distinct(values.map((row) => row.name));
    const differs = (name) => new Set(across(values, name, revisions)).size > 1;
    const marks = several && !names.every(differs);
    const head = revisions.map((revision, place) => element("th", { scope: "col" }, swatch(place), revision));
    const body = names.map((name) => element(
      "tr",
      marks && differs(name) ? { class: "changed" } : {},
      element("th", { scope: "row" }, name),
      ...across(values, name, revisions).map((cell) => element("td", {}, cell)),
    ));
    const table = element("table", label === "figures" ? { class: "figures" } : {});
    if (several) table.append(element("thead", {}, element("tr", {}, element("td"), ...head)));
    table.append(element("tbody", {}, ...body));
    return scrolling(table, label);
  }

  const scrolling = (table, label) => element("div", { class: "scroll", role: "region", tabindex: "0", "aria-label": label }, table);

  function block({ id, spec }, revisions, charts) {
    const title = spec.title?.text ?? spec.title ?? id;
    const says = spec.description ?? "";
    const { columns, needs, open } = meta(spec);
    const zooms = units(spec).some(({ params = [] }) => params.some(({ bind }) => bind === "scales"));
    if (!rows(spec).some((row) => !needs || row[needs])) {
      return [element("h3", {}, title), element("p", {}, "No data.")];
    }
    const named = revisions.length > 1 ? ` Revisions: ${revisions.join(", ")}.` : "";
    // Screen readers get the sentence and the numbers instead of the drawing.
    const drawing = element("div", { "aria-hidden": "true" });
    const chart = element("div", { class: "chart", role: "img", "aria-label": `${title}. ${says}${named}` }, drawing);
    charts.push({ drawing, spec });
    const parts = [element("h3", {}, title)];
    if (says) parts.push(element("p", {}, says));
    parts.push(element("figure", { id: `figure-${id}` }, chart));
    if (zooms) parts.push(element("p", { class: "hint mouse" }, "Drag to move, Ctrl and wheel to zoom, double click to reset."));
    if (columns) {
      const wide = widened(rows(spec), meta(spec));
      const parted = [numbers(wide.values, wide.columns, revisions, title), download(wide, title)];
      parts.push(...(open ? parted : [element("details", {}, element("summary", {}, `The numbers: ${title}`), ...parted)]));
    }
    return parts;
  }

  // Return the rows with a column for each series or band, if the template asks for that.
  function widened(values, { columns, wide }) {
    if (!wide) return { values, columns };
    const groups = new Map();
    for (const row of values) {
      const key = JSON.stringify([row.rev, row.household, ...columns.map(({ field }) => row[field])]);
      if (!groups.has(key)) groups.set(key, { ...row });
      for (const { field } of wide.values) groups.get(key)[`${row[wide.by]} ${field}`] = row[field];
    }
    const found = [...groups.values()];
    const more = distinct(values.map((row) => row[wide.by])).flatMap((name) => wide.values.map((value) => (
      { ...value, field: `${name} ${value.field}`, title: `${name} ${value.title}` })));
    const filled = more.filter(({ field }) => found.some((row) => (row[field] ?? "") !== ""));
    return { values: found, columns: [...columns, ...filled] };
  }

  // Return a link that saves all rows as CSV. Its address is made when it is used, since a page has many.
  function download({ values, columns }, title) {
    const link = element("a", { href: "#", download: `${title}.csv` }, "Save as CSV");
    link.addEventListener("click", () => {
      const quoted = (text) => (/[",\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);
      const fields = ["rev", "household", ...columns.map(({ field }) => field)];
      const lines = [fields, ...values.map((row) => fields.map((field) => String(row[field] ?? "")))];
      link.href = URL.createObjectURL(new Blob([lines.map((line) => `${line.map(quoted).join(",")}\n`).join("")], { type: "text/csv" }));
    });
    return element("p", { class: "hint" }, link);
  }

  function numbers(values, columns, revisions, title) {
    const kind = ({ digits, percent }) => ({ class: digits === undefined && percent === undefined ? "text" : "number" });
    const head = columns.map((column) => element("th", { scope: "col", ...kind(column) }, column.title));
    const body = values.slice(0, MOST_ROWS).map((row) => {
      const cells = columns.map((column, place) => element(
        place ? "td" : "th",
        { ...kind(column), ...(place ? {} : { scope: "row" }) },
        written(row[column.field], column),
      ));
      if (revisions.length > 1) cells.splice(1, 0, element("td", {}, swatch(revisions.indexOf(row.rev)), row.rev));
      return element("tr", {}, ...cells);
    });
    if (revisions.length > 1) head.splice(1, 0, element("th", { scope: "col" }, "revision"));
    const table = element("table", {}, element("thead", {}, element("tr", {}, ...head)), element("tbody", {}, ...body));
    if (values.length > MOST_ROWS) {
      table.prepend(element("caption", {}, `The first ${MOST_ROWS} of ${values.length} rows`));
    }
    return scrolling(table, `numbers: ${title}`);
  }

  function written(value, { digits, percent }) {
    if (digits === undefined && percent === undefined) {
      return String(value).replace("T00:00:00", "").replace(/(\d)T(\d)/, "$1 $2");
    }
    if (value === "" || Number.isNaN(Number(value))) return "";
    return percent === undefined ? Number(value).toFixed(digits) : `${(100 * value).toFixed(percent)} %`;
  }

  // Return the template with as many legible panels side by side as fit into `width` pixels.
  function fitted(spec, revisions, width) {
    const { panels = [], compared = panels, panelWidth = 360, axisWidth = 62, square } = meta(spec);
    const fields = revisions.length > 1 ? compared : panels;
    const count = distinct(rows(spec).map((row) => fields.map((field) => row[field]).join("\n"))).length;
    const columns = Math.max(1, Math.min(count, Math.floor(width / panelWidth)));
    const one = Math.max(120, Math.floor((width - axisWidth) / columns) - 28);
    const copy = structuredClone(spec);
    delete copy.title;
    // The schema names the oldest version that can draw it, and a newer one would warn.
    delete copy.$schema;
    const inner = copy.spec ?? copy;
    if (copy.facet?.field) {
      copy.columns = columns;
      copy.facet.header = { ...copy.facet.header, labelLimit: one };
      const households = distinct(rows(spec).map((row) => row.household));
      // The top of the page says it once.
      if (households.length === 1 && households[0]) (copy.transform ??= []).push(unnamed(households[0], copy.facet.field));
      if (households.length === 1 && fields.every((field) => field === "household")) copy.facet.header.labels = false;
    }
    if (typeof inner.width === "number") inner.width = one;
    if (square) inner.height = one;
    if (revisions.length > 1 && meta(spec).section) nameAll(copy, revisions);
    if (revisions.length === 1 && meta(spec).others) dropFirstLook(copy);
    return copy;
  }

  // Return the transform that takes the name of the household out of the names of panels.
  function unnamed(household, field) {
    const [name, after] = [JSON.stringify(household), JSON.stringify(`, ${household}`)];
    return { calculate: `replace(replace(datum[${JSON.stringify(field)}], ${after}, ""), ${name}, "")`, as: field };
  }

  // Remove the color and shape of the LSTM from a plot of the other forecasters.
  function dropFirstLook(copy) {
    for (const { color, shape } of units(copy).map((unit) => unit.encoding ?? {})) {
      color?.scale?.range?.shift();
      shape?.scale?.range?.shift();
    }
  }

  // A template only knows the revisions with rows in it. Count all revisions, so that each keeps its
  // name and color in plots that another one lacks.
  function nameAll(copy, revisions) {
    const counts = ({ joinaggregate = [] }) => joinaggregate.some(({ as }) => as === "revisions");
    const dashed = units(copy).some(({ encoding }) => encoding?.strokeDash);
    const look = dashed ? { symbolType: "stroke", symbolSize: 900 } : {};
    const count = { calculate: String(revisions.length), as: "revisions" };
    copy.transform = (copy.transform ?? []).map((each) => (counts(each) ? count : each));
    for (const [name, channel] of units(copy).flatMap((unit) => Object.entries(unit.encoding ?? {}))) {
      if (!channel?.scale?.range || !["line", "rev"].includes(channel.field)) continue;
      const before = meta(copy).before ?? [];
      channel.scale.domain = [...before, ...revisions];
      if (name === "color") channel.scale.range = [...before.map(() => INK), ...COLORS];
      if (name === "shape") channel.scale.range = SHAPE_NAMES;
      // With one domain, the legends of color and shape are merged.
      if (channel.field === "line") channel.legend = { orient: "top", symbolOpacity: 1, ...look };
    }
  }

  function drawAll(charts, revisions) {
    const report = document.getElementById("report");
    const dark = window.matchMedia("(prefers-color-scheme: dark)");
    const drawOne = async (each) => {
      each.view?.finalize();
      const config = structuredClone(CONFIG);
      // As wide as the longest name of a revision or forecaster in a legend.
      const entry = Math.max(170, ...revisions.map((revision) => 40 + 8 * revision.length));
      config.legend.columns = Math.max(1, Math.floor(report.clientWidth / entry));
      config.legend.labelLimit = report.clientWidth - 100;
      const spec = fitted(each.spec, revisions, each.drawing.clientWidth);
      each.view = (await window.drawPlot(each.drawing, spec, {
        mode: "vega-lite", actions: false, renderer: "svg", config,
        tooltip: { theme: dark.matches ? "dark" : "light" },
      })).view;
    };
    let drawn = 0;
    const draw = async () => {
      if (report.clientWidth === drawn) return;
      drawn = report.clientWidth;
      delete document.body.dataset.drawn;
      for (const each of charts) await drawOne(each);
      document.body.dataset.drawn = String(charts.length);
    };
    let due;
    window.addEventListener("resize", () => { clearTimeout(due); due = setTimeout(draw, 150); });
    // Vega-Lite's own double click does nothing in a plot with panels.
    charts.forEach((each) => each.drawing.addEventListener("dblclick", () => drawOne(each)));
    draw();
  }
})();
