// What the theme's script adds is named for assistive technology, and reachable by keyboard.
(() => {
  "use strict";

  function name(scroller) {
    const scrolls = scroller.scrollWidth > scroller.clientWidth;
    if (!scrolls) {
      for (const attribute of ["tabindex", "role", "aria-label"]) scroller.removeAttribute(attribute);
      return;
    }
    const heads = [...scroller.querySelectorAll("th")].map((head) => head.textContent.trim());
    scroller.tabIndex = 0;
    scroller.setAttribute("role", "region");
    const number = all.indexOf(scroller) + 1;
    scroller.setAttribute("aria-label", `Table ${number}, scrolls: ${heads.filter(Boolean).join(", ")}`);
  }

  const all = [];
  const sizes = new ResizeObserver((entries) => entries.forEach(({ target }) => name(target)));

  function update() {
    for (const scroller of document.querySelectorAll(".md-typeset__scrollwrap, div.formula")) {
      if (!all.includes(scroller)) {
        all.push(scroller);
        sizes.observe(scroller);
      }
    }
    document.querySelectorAll(".md-code__nav").forEach((buttons, number) => {
      buttons.setAttribute("aria-label", `Buttons of code block ${number + 1}`);
    });
  }

  new MutationObserver(update).observe(document.body, { childList: true, subtree: true });
  update();
})();
