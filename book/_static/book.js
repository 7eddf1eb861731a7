// A formula wider than the page scrolls; the keyboard must be able to reach it too.
(() => {
  const mark = () => {
    for (const box of document.querySelectorAll("div.math, mjx-container[display='true'], div.cell_output .output")) {
      if (box.scrollWidth > box.clientWidth + 1) box.setAttribute("tabindex", "0");
      else if (!("symbols" in box.dataset)) box.removeAttribute("tabindex"); // symbols.js walks through these
    }
  };
  const start = () => {
    const typeset = window.MathJax && window.MathJax.startup && window.MathJax.startup.promise;
    Promise.resolve(typeset).then(mark);
    window.addEventListener("resize", mark);
  };
  if (document.readyState === "complete") start();
  else window.addEventListener("load", start);
})();

// Paper is light: while the page is printed, so is its theme.
(() => {
  const root = document.documentElement;
  let before = null;
  const follow = ({ matches }) => {
    if (matches && root.dataset.theme === 'dark') {
      before = root.dataset.theme;
      root.dataset.theme = 'light';
    } else if (!matches && before) {
      root.dataset.theme = before;
      before = null;
    }
  };
  matchMedia('print').addEventListener('change', follow);
})();

// The theme's list of contents covers the margin; it steps back while a listing that reaches into the margin is in sight.
(() => {
  const start = () => {
    const contents = document.querySelector(".bd-sidebar-secondary");
    if (!contents) return;
    const inSight = new Set();
    const sight = new IntersectionObserver(
      (entries) => {
        const edge = contents.getBoundingClientRect().left;
        for (const { target, isIntersecting, boundingClientRect } of entries) {
          inSight[isIntersecting && boundingClientRect.right > edge ? "add" : "delete"](target);
        }
        document.body.classList.toggle("listing-in-sight", inSight.size > 0);
      },
      { rootMargin: "0px 0px -33% 0px" },
    );
    for (const listing of document.querySelectorAll(".bd-article .literal-block-wrapper")) sight.observe(listing);
  };
  if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", start);
  else start();
})();
