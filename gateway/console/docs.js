// Shows our OpenAPI document. Nothing is asked of other hosts: the validator's badge is off.
const dark = matchMedia("(prefers-color-scheme: dark)");
const paint = () => document.documentElement.classList.toggle("dark-mode", dark.matches);
dark.addEventListener("change", paint);
paint();

// oxlint-disable-next-line typescript/no-unsafe-call -- it is what swagger-ui-bundle.js defines
globalThis.SwaggerUIBundle({
  url: "/openapi.json",
  dom_id: "#docs",
  deepLinking: true,
  docExpansion: "none",
  persistAuthorization: false,
  tryItOutEnabled: true,
  validatorUrl: null,
});
