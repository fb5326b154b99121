// Draws the charts. Colours are CSS variables, so a change of scheme, or paper, needs no new drawing.
const { config, drawings } = JSON.parse(document.getElementById("drawings").textContent);
const options = {
  actions: false,
  ast: true, // expressions are read by an interpreter: the page's policy forbids code made from text
  config,
  renderer: "svg",
  tooltip: { disableDefaultStyle: true },
};
const drawn = Object.entries(drawings).map(([name, spec]) =>
  vegaEmbed(document.getElementById("chart-" + name), spec, options),
);
Promise.all(drawn).then(() => (document.documentElement.dataset.drawn = "yes"));
