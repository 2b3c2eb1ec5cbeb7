// Draws the charts from the tables that the page has anyway, so that both show
// the same numbers. Floats are for the lengths of bars only; every value that can
// be read is the text of the table.
"use strict";

const compact = new Intl.NumberFormat("en", { notation: "compact", maximumFractionDigits: 1 });

// The colour of an element of this class in the present theme.
function colourOf(name, property) {
  const probe = document.createElement("span");
  probe.className = "probe " + name;
  document.body.append(probe);
  const colour = getComputedStyle(probe)[property];
  probe.remove();
  return colour;
}

// One set of bars for each column of the table but the last, which is the sum.
function datasets(table, rows, worth) {
  const heads = [...table.tHead.rows[0].cells].slice(1, -1);
  return heads.map((head, i) => ({
    label: head.textContent,
    data: rows.map((row) => Number(row.cells[i + 1].textContent) / worth),
    backgroundColor: colourOf(head.dataset.colour, "backgroundColor"),
    borderRadius: 1,
    maxBarThickness: 44,
  }));
}

function draw(canvas) {
  const table = document.getElementById(canvas.dataset.table);
  const rows = [...table.tBodies[0].rows];
  const muted = colourOf("muted", "color");
  const grid = colourOf("grid", "backgroundColor");
  const font = { family: getComputedStyle(document.body).fontFamily, size: 12 };
  return new Chart(canvas, {
    type: "bar",
    data: { labels: rows.map((row) => row.cells[0].textContent), datasets: datasets(table, rows, Number(table.dataset.worth)) },
    options: {
      animation: false,
      maintainAspectRatio: false,
      interaction: { mode: "index", intersect: false },
      scales: {
        x: { stacked: true, grid: { display: false }, border: { color: grid }, ticks: { color: muted, font, maxRotation: 0, autoSkipPadding: 16 } },
        y: {
          stacked: true, beginAtZero: true, grid: { color: grid }, border: { display: false },
          ticks: { color: muted, font, maxTicksLimit: 6, callback: (value) => compact.format(value) },
          title: { display: true, text: table.dataset.axis, color: muted, font },
        },
      },
      plugins: {
        legend: { display: false },
        tooltip: {
          padding: 10, boxPadding: 4, titleFont: font, bodyFont: font, footerFont: font,
          filter: (item) => item.raw !== 0,
          itemSort: (a, b) => b.raw - a.raw,
          callbacks: {
            label: (item) => " " + item.dataset.label + ": " + rows[item.dataIndex].cells[item.datasetIndex + 1].title,
            footer: (items) => items.length ? "All: " + rows[items[0].dataIndex].cells[rows[0].cells.length - 1].title : "",
          },
        },
      },
    },
  });
}

let drawn = [];
function drawAll() {
  for (const chart of drawn) chart.destroy();
  drawn = [...document.querySelectorAll("canvas[data-table]")].map(draw);
}
drawAll();
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", drawAll);
