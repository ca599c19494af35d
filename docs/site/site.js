/* The operations, from the API's own document. A token that was pasted is kept in this browser until it is removed. */
window.addEventListener("DOMContentLoaded", () => {
  for (const each of document.querySelectorAll(".base-url")) each.textContent = window.location.origin;
  window.SwaggerUIBundle({
    url: "api/openapi.json",
    domNode: document.getElementById("reference"),
    deepLinking: true,
    docExpansion: "list",
    defaultModelsExpandDepth: 0,
    displayRequestDuration: true,
    filter: true,
    persistAuthorization: true,
    tryItOutEnabled: true,
    validatorUrl: null,
    syntaxHighlight: { theme: "idea" },
  });
});
