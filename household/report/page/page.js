// The page of `dvc plots show` and `dvc plots diff`. DVC hands each plot to vegaEmbed, as soon as
// its place in the page is read; this keeps them all and lays them out as one report. What a plot
// is for stands in `usermeta` of its template; one without is drawn at the end, as it is.
"use strict";
(() => {
  const plots = [];
  window.vegaEmbed = (selector, spec) => plots.push({ id: selector.slice(1), spec });

  // The same as in the templates: color and shape of the revisions, in the order of DVC.
  const COLORS = ["#0072B2", "#D55E00", "#008A64", "#B0568F", "#8A6D00", "#6A5ACD"];
  const SHAPES = [
    "M5,0A5,5,0,1,1,5,10A5,5,0,1,1,5,0Z", "M0.5,0.5H9.5V9.5H0.5Z", "M5,0L10,9.5H0Z",
    "M5,0L10,5L5,10L0,5Z", "M3,0H7V3H10V7H7V10H3V7H0V3H3Z", "M0,0.5H10L5,10Z",
  ];
  const CONFIG = {
    aria: false,
    background: null,
    font: "system-ui, 'Liberation Sans', Arial, sans-serif",
    axis: {
      labelColor: "currentColor", titleColor: "currentColor", tickColor: "currentColor",
      domainColor: "currentColor", gridColor: "currentColor", gridOpacity: 0.14,
      labelFontSize: 12, titleFontSize: 12, titleFontWeight: 500,
    },
    header: { labelColor: "currentColor", titleColor: "currentColor", labelFontSize: 13, labelFontWeight: 600 },
    legend: {
      labelColor: "currentColor", titleColor: "currentColor", labelFontSize: 12, titleFontSize: 12,
      orient: "top", labelLimit: 260,
    },
    title: { color: "currentColor" },
    view: { stroke: null },
  };

  const rows = (spec) => spec.data?.values ?? [];
  const meta = (spec) => spec.usermeta ?? {};
  const distinct = (values) => [...new Set(values)];
  const element = (name, attributes = {}, ...children) => {
    const made = document.createElement(name);
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    made.append(...children);
    return made;
  };

  document.addEventListener("DOMContentLoaded", () => {
    const revisions = distinct(plots.flatMap(({ spec }) => rows(spec).map((row) => row.rev)));
    const report = document.getElementById("report");
    const charts = [];
    report.append(header(revisions));
    for (const [place, section] of distinct(plots.map(({ spec }) => meta(spec).section ?? "Plots")).entries()) {
      const part = element("section", { "aria-labelledby": `section-${place}` });
      part.append(element("h2", { id: `section-${place}` }, section));
      for (const plot of plots.filter(({ spec }) => (meta(spec).section ?? "Plots") === section)) {
        part.append(...block(plot, revisions, charts));
      }
      report.append(part);
    }
    // Pictures of other plots, which DVC puts into the page as they are.
    const given = document.getElementById("given");
    given.querySelectorAll("script").forEach((script) => script.remove());
    plots.forEach(({ id }) => document.getElementById(id)?.remove());
    if (given.textContent.trim() || given.querySelector("img")) given.hidden = false;
    drawAll(charts);
  });

  function header(revisions) {
    const top = element("header");
    top.append(element("p", { class: "source" }, "Household power"));
    top.append(element("h1", {}, "The power of the next minute"));
    const keys = element("p", {}, revisions.length > 1 ? "Revisions: " : "Revision: ");
    revisions.forEach((revision, place) => {
      keys.append(...(revisions.length > 1 ? [key(place)] : []), `${revision} `);
    });
    top.append(keys);
    return top;
  }

  function key(place) {
    const space = "http://www.w3.org/2000/svg";
    const drawing = document.createElementNS(space, "svg");
    drawing.setAttribute("viewBox", "0 0 10 10");
    drawing.setAttribute("class", "key");
    drawing.setAttribute("aria-hidden", "true");
    const path = document.createElementNS(space, "path");
    path.setAttribute("d", SHAPES[place % SHAPES.length]);
    path.setAttribute("fill", COLORS[place % COLORS.length]);
    drawing.append(path);
    return drawing;
  }

  function block({ id, spec }, revisions, charts) {
    const title = spec.title?.text ?? spec.title ?? id;
    const says = spec.description ?? "";
    const chart = element("div", { class: "chart", role: "img", "aria-label": `${title}. ${says}` });
    const figure = element("figure", { id: `figure-${id}` }, chart);
    charts.push({ chart, spec, revisions });
    return [element("h3", {}, title), ...(says ? [element("p", {}, says)] : []), figure];
  }

  // The template with panels that fill `width` pixels, as many beside one another as are legible.
  function fitted(spec, revisions, width) {
    const { panels = [], compared = panels, panelWidth = 340, axisWidth = 62 } = meta(spec);
    const fields = revisions.length > 1 ? compared : panels;
    const count = distinct(rows(spec).map((row) => fields.map((field) => row[field]).join("\n"))).length;
    const columns = Math.max(1, Math.min(count, Math.floor(width / panelWidth)));
    const one = Math.max(120, Math.floor((width - axisWidth) / columns) - 24);
    const copy = structuredClone(spec);
    delete copy.title;
    // It names the oldest version that can draw it, of which a newer one would warn.
    delete copy.$schema;
    const widen = (part) => {
      if (part.spec) {
        if (part.facet?.field) part.columns = columns;
        widen(part.spec);
      } else if (part.vconcat) part.vconcat.forEach(widen);
      else if (typeof part.width === "number") part.width = one;
    };
    widen(copy);
    return copy;
  }

  function drawAll(charts) {
    let drawn = 0;
    const dark = window.matchMedia("(prefers-color-scheme: dark)");
    const draw = () => {
      const width = document.getElementById("report").clientWidth;
      if (width === drawn) return;
      drawn = width;
      document.body.dataset.drawn = "";
      const config = { ...CONFIG, legend: { ...CONFIG.legend, columns: Math.max(1, Math.floor(width / 190)) } };
      const tooltip = { theme: dark.matches ? "dark" : "light" };
      Promise.all(
        charts.map(async (each) => {
          each.view?.finalize();
          const spec = fitted(each.spec, each.revisions, each.chart.clientWidth);
          const options = { mode: "vega-lite", actions: false, renderer: "svg", config, tooltip };
          each.view = (await window.drawPlot(each.chart, spec, options)).view;
        }),
      ).then(() => { document.body.dataset.drawn = String(charts.length); });
    };
    let due;
    window.addEventListener("resize", () => { clearTimeout(due); due = setTimeout(draw, 150); });
    draw();
  }
})();
