// Sets every formula of the page: Sphinx leaves them as TeX between \[ and \], or \( and \).
document.addEventListener("DOMContentLoaded", () => {
    for (const element of document.querySelectorAll(".math")) {
        const text = element.textContent.trim().replace(/^\\[[(]|\\[\])]$/g, "");
        katex.render(text, element, { displayMode: element.tagName === "DIV", throwOnError: false });
    }
});
