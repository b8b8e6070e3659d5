//! What can be asked of payments, before it is a command.

use serde::Deserialize;
use thalweg::commands::{NewCommand, Problem, Request};

use super::Command;
use crate::ids::{is_id, ticket_of};
use crate::requests::{command, must};

const TOKEN_BYTES_MAX: usize = 200;

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Offered {
    order_id: String,
    token: String,
}

/// `POST /payments` {orderId, token}.
pub(crate) fn create(request: &Request<'_>) -> Result<NewCommand, Problem> {
    let Offered { order_id, token } = request.json()?;
    must(is_id(&order_id, 2), "order-id-invalid", "orderId is no order's id")?;
    let is_token =
        (1..=TOKEN_BYTES_MAX).contains(&token.len()) && token.bytes().all(|byte| byte.is_ascii_graphic());
    must(is_token, "token-invalid", format!("a token has 1 to {TOKEN_BYTES_MAX} visible ASCII characters"))?;
    let payment_id = format!("{order_id}.{}", request.new_id("payment"));
    command(
        ticket_of(&order_id),
        &Command::CreatePayment { payment_id, user_id: request.user.to_owned(), token },
    )
}
