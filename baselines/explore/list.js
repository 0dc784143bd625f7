"use strict";
/* A list box of any length, as high as its rows up to its max-height: only the rows in view exist. */
const OVERSCAN = 6;

class WindowedList {
  /* draw(item) returns the content of a row; choose(item) is called when the user selects one. */
  constructor(box, rowHeight, { draw, choose }) {
    Object.assign(this, { box, rowHeight, draw, choose, items: [], selected: -1 });
    // Kept here, because asking the page for them makes it lay out everything.
    Object.assign(this, { top: 0, height: 0, highest: this.measure() });
    this.rows = element("div", { role: "presentation", class: "rows" });
    box.append(this.rows);
    box.addEventListener("scroll", () => {
      if (this.top === box.scrollTop) return;
      this.top = box.scrollTop;
      this.render();
    }, { passive: true });
    box.addEventListener("keydown", (event) => this.onKey(event));
    box.addEventListener("click", (event) => {
      const row = event.target.closest("[role=option]");
      if (row) this.select(Number(row.dataset.place));
    });
    new ResizeObserver(() => {
      this.highest = this.measure();
      this.fit();
      this.render();
    }).observe(box);
  }

  /* The height of the rows in view in a box that is full, in pixels. */
  measure() {
    return parseFloat(getComputedStyle(this.box).maxHeight) - this.box.offsetHeight + this.box.clientHeight;
  }

  fit() {
    this.height = Math.min(this.highest, this.items.length * this.rowHeight);
  }

  /* Show items, of which one is selected (-1: none). */
  show(items, selected) {
    Object.assign(this, { items, selected });
    this.rows.style.height = `${items.length * this.rowHeight}px`;
    this.box.hidden = items.length === 0;
    this.fit();
    this.reveal();
    this.render();
  }

  /* Scroll just as far as the selected row needs to be in view. */
  reveal() {
    const end = Math.max(0, this.items.length * this.rowHeight - this.height);
    const row = Math.max(0, this.selected) * this.rowHeight;
    const top = Math.max(row + this.rowHeight - this.height, Math.min(row, this.top, end), 0);
    if (top !== this.top) this.box.scrollTop = this.top = top;
  }

  render() {
    const first = Math.max(0, Math.floor(this.top / this.rowHeight) - OVERSCAN);
    const last = Math.min(this.items.length,
      Math.ceil((this.top + this.height) / this.rowHeight) + OVERSCAN);
    const drawn = [];
    for (let place = first; place < last; place += 1) drawn.push(this.row(place));
    this.rows.replaceChildren(...drawn);
    if (this.selected >= first && this.selected < last) {
      this.box.setAttribute("aria-activedescendant", `row-${this.selected}`);
    } else this.box.removeAttribute("aria-activedescendant");
  }

  row(place) {
    const row = element("div", { role: "option", id: `row-${place}`, "data-place": place,
      "aria-selected": String(place === this.selected), "aria-posinset": place + 1,
      "aria-setsize": this.items.length }, ...this.draw(this.items[place]));
    row.style.transform = `translateY(${place * this.rowHeight}px)`;
    return row;
  }

  onKey(event) {
    const page = Math.max(1, Math.floor(this.height / this.rowHeight) - 1);
    const end = this.items.length - 1;
    const target = { ArrowDown: this.selected + 1, ArrowUp: this.selected - 1, Home: 0, End: end,
      PageDown: this.selected + page, PageUp: this.selected - page }[event.key];
    if (target === undefined || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    this.select(Math.min(end, Math.max(0, target)));
  }

  select(place) {
    if (place >= 0 && place < this.items.length && place !== this.selected) {
      this.choose(this.items[place]);
    }
  }
}
