// Filter and sort of the one table, in the page itself: no server, no library.
(() => {
  const table = document.querySelector("table.watch");
  if (!table) return;
  const body = table.tBodies[0], rows = [...body.rows];
  const fields = [...document.querySelectorAll(".controls [data-filter]")];
  const shown = document.querySelector("[data-shown]");
  const key = (row, column) => row.cells[column].dataset.v ?? row.cells[column].textContent.trim();
  const filter = () => {
    let count = 0;
    for (const row of rows) {
      const keep = fields.every((field) => {
        const wanted = field.value.trim().toLowerCase();
        return !wanted || (field.dataset.filter === "text" ? row.textContent.toLowerCase().includes(wanted) : row.dataset[field.dataset.filter].toLowerCase() === wanted);
      });
      row.hidden = !keep;
      count += keep;
    }
    shown.textContent = shown.dataset.shown.replace("{shown}", count).replace("{rows}", rows.length);
  };
  const sort = (header, column) => {
    const down = header.getAttribute("aria-sort") === "ascending";
    for (const each of table.tHead.rows[0].cells) each.removeAttribute("aria-sort");
    header.setAttribute("aria-sort", down ? "descending" : "ascending");
    const numeric = header.classList.contains("n");
    const order = (a, b) => (numeric ? Number(key(a, column)) - Number(key(b, column)) : key(a, column).localeCompare(key(b, column), document.documentElement.lang));
    body.append(...rows.sort((a, b) => (down ? -order(a, b) : order(a, b))));
  };
  fields.forEach((field) => field.addEventListener("input", filter));
  [...table.tHead.rows[0].cells].forEach((header, column) => header.querySelector("button")?.addEventListener("click", () => sort(header, column)));
  filter();
})();
