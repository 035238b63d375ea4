/* Text of a model or of a corpus: shown as it is, with control characters made visible, and with marks. */
"use strict";
{
  // The classes of `samples.py`, in the same order.
  const CLASSES = ["", "keyword", "type", "string", "number", "comment", "directive", "function"];
  // Control and format characters, and line separators; the joiners are part of some scripts and of emoji.
  const CONTROL = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]/u;
  const KEPT = new Set(["\n", "\t", "\u200c", "\u200d"]);

  const isControl = (character) => CONTROL.test(character) && !KEPT.has(character);

  /* Return a visible name of a control character, such as "U+202E". */
  const controlName = (character) => `U+${character.codePointAt(0).toString(16).toUpperCase().padStart(4, "0")}`;

  /* Return nodes for characters. A control character has no effect: its name is shown instead. */
  seqforge.characters = (characters) => {
    const nodes = [];
    let plain = "";
    for (const character of characters) {
      if (!isControl(character)) {
        plain += character;
        continue;
      }
      if (plain) nodes.push(document.createTextNode(plain));
      plain = "";
      nodes.push(seqforge.element("span", { className: "control" }, controlName(character)));
    }
    if (plain) nodes.push(document.createTextNode(plain));
    return nodes;
  };

  /* Return one symbol as a short text for lists: spaces and line breaks are visible. */
  seqforge.symbolName = (symbol) => {
    const names = { " ": "␣", "\n": "↵", "\t": "⇥", "\r": "U+000D", "": "∅" };
    return names[symbol] ?? [...symbol].map((one) => (isControl(one) ? controlName(one) : one)).join("");
  };

  /* Fill an element with a text, its highlighted tokens and its faults. Positions count code points. */
  seqforge.fillText = (target, sample, isShown) => {
    const characters = Array.from(sample.text);
    const classes = new Uint8Array(characters.length);
    for (let index = 0; index < sample.tokens.length; index += 3) {
      const [start, length, kind] = sample.tokens.slice(index, index + 3);
      classes.fill(kind, start, start + length);
    }
    const faults = sample.faults.filter(isShown);
    const covering = Array.from(characters, () => "");
    faults.forEach(([start, stop], number) => {
      for (let at = start; at < Math.min(stop, characters.length); at++) covering[at] += `${number} `;
    });
    const pieces = [];
    let start = 0;
    for (let at = 1; at <= characters.length; at++) {
      if (at < characters.length && classes[at] === classes[start] && covering[at] === covering[start]) continue;
      pieces.push(makePiece(characters.slice(start, at), classes[start], covering[start], faults));
      start = at;
    }
    target.replaceChildren(...(characters.length ? pieces.flat() : []));
  };

  function makePiece(characters, kind, covering, faults) {
    let nodes = seqforge.characters(characters);
    if (kind) nodes = [seqforge.element("span", { className: `t-${CLASSES[kind]}` }, nodes)];
    if (!covering) return nodes;
    const found = covering.trim().split(" ").map((number) => faults[number]);
    const isWarning = found.every((fault) => fault[2] === "warning");
    const mark = seqforge.element("mark", { className: isWarning ? "warning" : "error", tabIndex: 0 }, nodes);
    mark.setAttribute("aria-label", `${characters.join("").trim() || "space"}: ${found.map((one) => one[4]).join("; ")}`);
    mark.setAttribute("role", "note");
    const show = () => seqforge.tip(mark, ...found.map(describeFault));
    mark.addEventListener("pointerenter", show);
    mark.addEventListener("focus", show);
    mark.addEventListener("pointerleave", () => seqforge.tip(null));
    mark.addEventListener("blur", () => seqforge.tip(null));
    return [mark];
  }

  function describeFault([, , severity, metric, message]) {
    const kind = seqforge.element("span", { className: "kind" }, `${metric}, ${severity}: `);
    return seqforge.element("div", {}, kind, ...seqforge.characters(message));
  }

  /* Fill an element with symbols that are colored one by one, and call `describe` for the one under the pointer. */
  seqforge.fillCells = (target, symbols, shade, describe) => {
    let here = null;
    const cells = symbols.map((symbol, at) => {
      const cell = seqforge.element("span", { "--shade": shade(at) });
      cell.dataset.at = at;
      if (symbol === "\n") cell.append(seqforge.element("span", { className: "break", "aria-hidden": "true" }, "↵"), "\n");
      else cell.append(...seqforge.characters(symbol));
      return cell;
    });
    target.replaceChildren(...cells);
    const move = (at) => {
      here?.classList.remove("here");
      here = cells[at] ?? null;
      if (!here) return seqforge.tip(null);
      here.classList.add("here");
      return seqforge.tip(here, ...describe(at));
    };
    target.onpointerover = (event) => {
      const cell = event.target.closest("[data-at]");
      if (cell) move(Number(cell.dataset.at));
    };
    target.onpointerleave = () => move(-1);
    target.onblur = () => move(-1);
    target.onkeydown = (event) => {
      const by = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
      if (!by) return;
      event.preventDefault();
      move(Math.max(0, Math.min(cells.length - 1, here ? Number(here.dataset.at) + by : 0)));
    };
  };
}
