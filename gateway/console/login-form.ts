/** The login form. */
import { element, setText } from "./elements.js";
import { problemText } from "./problem-text.js";
import type { Credentials } from "./session.js";

/**
 * Shows the form until `login` takes what was typed into it; `notice` says why it is there. Resolves
 * when the person is logged in.
 */
export function askToLogIn(
  login: (credentials: Credentials) => Promise<void>,
  notice: string,
  operatorName: string,
): Promise<void> {
  const form = element("login", HTMLFormElement);
  const operator = element("login-operator", HTMLInputElement);
  const email = element("login-email", HTMLInputElement);
  const password = element("login-password", HTMLInputElement);
  const submit = element("login-submit", HTMLButtonElement);
  const problem = element("login-problem");
  setText(problem, notice);
  if (operatorName) operator.value = operatorName;
  (email.value ? password : email).focus();

  return new Promise((resolve) => {
    form.onsubmit = (event) => {
      event.preventDefault();
      const empty = [email, password].find(({ value }) => value.trim() === "");
      for (const input of [email, password]) {
        input.setAttribute("aria-invalid", String(input.value.trim() === ""));
      }
      if (empty) {
        setText(problem, "E-mail and password are needed.");
        empty.focus();
        return;
      }
      submit.disabled = true;
      setText(problem, "");
      const credentials = {
        operator: operator.value.trim(),
        email: email.value.trim(),
        password: password.value,
      };
      login(credentials)
        .then(() => {
          password.value = "";
          form.onsubmit = null;
          resolve();
        })
        .catch((error: unknown) => {
          setText(problem, problemText(error));
          password.select();
          password.focus();
        })
        .finally(() => (submit.disabled = false));
    };
  });
}
