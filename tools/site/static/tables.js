// Cells of tables that are short, such as "22 ms, 10 MiB", stay on one line, and those that hold
// sentences keep a width that reads well; the table scrolls where that is wider than the page.
document.addEventListener("DOMContentLoaded", () => {
    for (const cell of document.querySelectorAll("table.docutils td")) {
        const length = cell.textContent.trim().length;
        cell.classList.toggle("short", length <= 16);
        cell.classList.toggle("long", length >= 40);
    }
});
