// Texts that would be markup, or code, if a page took them for that, and eyes that see whether it did.

/** Runs if it is ever taken for markup, in an attribute, in a script, in an address or in a template. */
export const MARKUP = [
  `"'><img class=hostile src=x onerror="window.hostile='img'">`,
  `<script class=hostile>window.hostile='script'</script>`,
  `<svg class=hostile onload="window.hostile='svg'">`,
  `<iframe class=hostile srcdoc="<script>parent.hostile='frame'</script>"></iframe>`,
  `<a class=hostile href="javascript:window.hostile='link'">x</a>`,
  "<style class=hostile>*{display:none}</style><base href=//evil.example>",
  // biome-ignore lint/suspicious/noTemplateCurlyInString: it is hostile, not meant to be filled in
  "{{constructor.constructor('window.hostile=1')()}}${window.hostile=1}",
].join("");

/** Watches a page from before its first script: what its policy stopped, and dialogs. */
export async function watchPage(page) {
  const complaints = [];
  page.on("pageerror", (error) => complaints.push(String(error.stack ?? error)));
  page.on("dialog", (dialog) => {
    complaints.push(`a dialog: ${dialog.message()}`);
    return dialog.dismiss();
  });
  page.on("console", (message) => {
    if (/Content Security Policy|Trusted/.test(message.text())) complaints.push(message.text());
  });
  await page.addInitScript(() => {
    window.violations = [];
    document.addEventListener("securitypolicyviolation", ({ violatedDirective, blockedURI }) =>
      window.violations.push(`${violatedDirective}: ${blockedURI}`),
    );
  });
  return complaints;
}

/** What hostile texts did to the page: elements that they made, code that ran, violations of the policy. */
export const damage = (page) =>
  page.evaluate(() => ({
    elements: document.querySelectorAll(".hostile, base, iframe, object, embed, main script, main style").length,
    handlers: [...document.querySelectorAll("*")].filter((element) =>
      element.getAttributeNames().some((name) => name.startsWith("on")),
    ).length,
    ran: window.hostile ?? null,
    violations: window.violations,
  }));

export const UNHARMED = { elements: 0, handlers: 0, ran: null, violations: [] };

/** Makes markup out of texts, as a careless script of the page would. Returns what the policy stopped. */
export const provoke = (page) =>
  page.evaluate(() => {
    const stopped = [];
    const attempt = (what, act) => {
      try {
        act();
      } catch (error) {
        stopped.push(`${what}: ${error.name}`);
      }
    };
    attempt("innerHTML", () => {
      document.createElement("div").innerHTML = "<b>x</b>";
    });
    attempt("inline script", () => {
      const script = document.createElement("script");
      script.textContent = "window.hostile = 'inline'";
      document.head.append(script);
    });
    attempt("handler", () => document.body.setAttribute("onclick", "window.hostile = 'handler'"));
    document.body.click();
    return stopped;
  });
