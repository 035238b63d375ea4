/* What all parts of the page share: elements, colors, the tooltip, sections, and the choice of the run. */
"use strict";
const seqforge = { runs: [], parts: [], redraws: new Set() };

/* Make an element. Children that are not elements become text, so that no data is ever read as markup. */
seqforge.element = (tag, properties = {}, ...children) => {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name.startsWith("--")) made.style.setProperty(name, value);
    else if (name in made && !name.startsWith("aria")) made[name] = value;
    else made.setAttribute(name, value);
  }
  made.append(...children.flat().filter((child) => child !== null && child !== undefined));
  return made;
};

seqforge.read = () => {
  seqforge.runs = [...document.querySelectorAll("script.run-data")].map((script) => JSON.parse(script.textContent));
};

/* Resolve a custom property to a color that a canvas takes. */
seqforge.color = (name) => {
  const probe = seqforge.element("span", { hidden: true });
  probe.style.color = `var(${name})`;
  document.body.append(probe);
  const color = getComputedStyle(probe).color;
  probe.remove();
  return color;
};
seqforge.runColor = (run) => `--run-${run % 6}`;

seqforge.format = (value) => {
  if (value === null || value === undefined || Number.isNaN(value)) return "–";
  const size = Math.abs(value);
  if (size >= 1e4) return Intl.NumberFormat("en", { notation: "compact", maximumFractionDigits: 1 }).format(value);
  if (size !== 0 && size < 1e-3) return value.toExponential(1);
  return Intl.NumberFormat("en", { maximumSignificantDigits: size >= 1000 ? 5 : 4 }).format(value);
};
seqforge.duration = (seconds) => {
  for (const [size, unit] of [[86400, "d"], [3600, "h"], [60, "min"]])
    if (seconds >= size) return `${Number((seconds / size).toFixed(1))} ${unit}`;
  return `${Number(seconds.toPrecision(3))} s`;
};

/* A group of radio buttons that looks like one control. */
seqforge.choice = (legend, name, options, chosen, change) => {
  const group = seqforge.element("fieldset", { className: "segmented" });
  group.append(seqforge.element("legend", { className: "hidden-text" }, legend));
  for (const [value, label] of options) {
    const input = seqforge.element("input", { type: "radio", name, value, checked: value === chosen });
    input.addEventListener("change", () => change(value));
    group.append(seqforge.element("label", {}, input, seqforge.element("span", {}, label)));
  }
  return group;
};

/* The tooltip of an element under the pointer or with the focus. */
seqforge.tip = (anchor, ...content) => {
  const tip = document.getElementById("tooltip");
  if (!anchor) {
    tip.hidden = true;
    return;
  }
  tip.replaceChildren(...content);
  tip.hidden = false;
  const [box, own] = [anchor.getClientRects()[0] ?? anchor.getBoundingClientRect(), tip.getBoundingClientRect()];
  const left = Math.max(8, Math.min(box.left, document.documentElement.clientWidth - own.width - 8));
  const above = box.top - own.height - 8;
  tip.style.left = `${left}px`;
  tip.style.top = `${above > 60 ? above : box.bottom + 8}px`;
};
document.addEventListener("keydown", (event) => event.key === "Escape" && seqforge.tip(null));
addEventListener("scroll", () => seqforge.tip(null), { passive: true, capture: true });

/* A section of one run. Parts call it; the run's container shows it. */
seqforge.section = (parent, id, title, lead, shortTitle = title) => {
  const heading = `${id}-${seqforge.runs.indexOf(parent.run)}`;
  const section = seqforge.element("section", { id: heading, "aria-labelledby": `${heading}-title` });
  section.dataset.title = shortTitle;
  section.append(seqforge.element("h2", { id: `${heading}-title` }, title));
  if (lead) section.append(seqforge.element("p", { className: "lead" }, lead));
  parent.element.append(section);
  return section;
};

/* Rebuild the links to the visible sections. */
seqforge.link = () => {
  const sections = [...document.querySelectorAll("main section")].filter((section) => section.offsetParent !== null);
  const items = sections.map((section) => {
    const link = seqforge.element("a", { href: `#${section.id}` }, section.dataset.title);
    return seqforge.element("li", {}, link);
  });
  document.getElementById("sections").replaceChildren(...items);
  seqforge.observer?.disconnect();
  seqforge.observer = new IntersectionObserver(
    (entries) => {
      for (const entry of entries) {
        const link = items[sections.indexOf(entry.target)]?.firstChild;
        if (entry.isIntersecting) {
          for (const item of items) item.firstChild.removeAttribute("aria-current");
          link?.setAttribute("aria-current", "true");
        }
      }
    },
    { rootMargin: "-20% 0px -70% 0px" },
  );
  for (const section of sections) seqforge.observer.observe(section);
};

/* Automatic, light or dark. The choice is kept if the browser allows it for this page. */
seqforge.theme = () => {
  const button = document.getElementById("theme");
  const themes = ["automatic", "light", "dark"];
  let chosen = 0;
  try {
    chosen = Math.max(0, themes.indexOf(localStorage.getItem("seqforge-theme")));
  } catch {
    // A page in a frame, or one opened from disk, may have no storage.
  }
  const apply = () => {
    const theme = themes[chosen];
    if (chosen) document.documentElement.dataset.theme = theme;
    else delete document.documentElement.dataset.theme;
    button.textContent = { automatic: "◐ Auto", light: "○ Light", dark: "● Dark" }[theme];
    button.setAttribute("aria-label", `Color scheme: ${theme}. Change it.`);
    for (const redraw of seqforge.redraws) redraw();
  };
  button.addEventListener("click", () => {
    chosen = (chosen + 1) % themes.length;
    try {
      localStorage.setItem("seqforge-theme", themes[chosen]);
    } catch {
      // As above.
    }
    apply();
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", apply);
  apply();
};
